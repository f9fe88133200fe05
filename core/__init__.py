"""The functional core: everything that decides, with no IO, no clock and no randomness."""
