"""What commands and buttons do: one file per group."""
