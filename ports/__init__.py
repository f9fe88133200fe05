"""Protocols: what the programs need from the world, in our own words."""
