"""`./seohak doctor`: one table of checks, each by itself, each with what to do."""
