"""The keys and the account that the two sandbox hosts know."""

import hashlib
from dataclasses import dataclass


def _letters(text: str, length: int) -> str:
    stream = ""
    while len(stream) < length:
        stream += hashlib.sha256(f"{text}{len(stream)}".encode()).hexdigest()
    return stream[:length]


@dataclass(frozen=True)
class Credentials:
    """An application key pair (36 and 180 characters) and the account it may trade."""

    appkey: str
    appsecret: str
    account: str = "50012345-01"
    hts_id: str = "sandbox"

    @property
    def number(self) -> str:
        return self.account.split("-", maxsplit=1)[0]

    @property
    def product(self) -> str:
        return self.account.split("-")[1]


REAL = Credentials("PSsandboxREAL" + _letters("real key", 23), _letters("real secret", 180))
PAPER = Credentials("PSsandboxPAPER" + _letters("paper key", 22), _letters("paper secret", 180))
