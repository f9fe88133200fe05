"""The Telegram bot: turns events into messages and a person's words into commands."""
