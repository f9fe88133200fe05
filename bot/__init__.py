"""The Telegram bot: turns events into messages and a person's words into commands."""

import os

from core.lean import kept_out

# python-telegram-bot asks to opt in to timedeltas and warns at every flood answer until one does.
os.environ.setdefault("PTB_TIMEDELTA", "1")

# httpx brings a command line of its own and Telegram the keys of its passport: 20 MB that nobody here asks for
with kept_out("click", "rich", "pygments", "cryptography"):
    import telegram.ext  # noqa: F401
