"""Charts: bars, levels and results in, PNG bytes out; knows nothing of the other packages."""
