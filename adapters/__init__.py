"""The outside world behind the ports: one folder per vendor, and vendors do not know each other."""
