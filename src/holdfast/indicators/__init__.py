"""Indicators as pure steps over a vector of numbers: one source, plain in Python and compiled by numba."""
