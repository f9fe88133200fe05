"""The files that the chat reads of a run; who starts a run needs nothing else of the report."""

SUMMARY, PICTURE = "summary.json", "picture.png"
