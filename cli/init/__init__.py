"""`./seohak init`: asks for the keys one by one, tries each at its service, writes .env."""
