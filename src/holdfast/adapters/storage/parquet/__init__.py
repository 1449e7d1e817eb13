"""Bars as compact Parquet: scaled integers, split into byte planes, zstd; bit for bit what was saved."""
