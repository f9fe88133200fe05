"""The report of a run: figures, tables, files, a picture; everything is computed from the Result alone."""
