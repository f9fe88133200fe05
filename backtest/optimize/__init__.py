"""The search for settings: which ones to try, on which days, by what figure, with how many processes."""
