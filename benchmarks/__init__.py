"""Measurements with figures that the documents quote; run one with `python -m benchmarks.NAME`."""
