"""What tests are made of: builders, a journal in memory, hostile markets, the simulation. Imported by nothing."""
