"""The backtest: recorded minute bars through the same decisions as live; no clock, no vendor."""
