"""The record for people and reports, in PostgreSQL or SQLite; orders live in the trader's own journal."""
