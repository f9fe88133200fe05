"""Configuration: config.yaml and the environment as checked, frozen settings; logging with redaction."""
