"""The machine: its clock."""
