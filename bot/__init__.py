"""The Telegram bot: turns events into messages and a person's words into commands."""

import os

# python-telegram-bot asks to opt in to timedeltas and warns at every flood answer until one does.
os.environ.setdefault("PTB_TIMEDELTA", "1")
