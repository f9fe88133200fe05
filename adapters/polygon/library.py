"""The vendor's package, made fit for a service: no handlers of its own on stdout, addresses from the configuration.

Two names, one interface: `polygon` (polygon-api-client, frozen) and `massive`, its successor since the vendor's rebrand.
"""

import functools
import importlib
import logging
from typing import Any
from urllib.parse import urlsplit

import msgspec

MARKET = "stocks"
PACKAGES = ("massive", "polygon")


class PackageMissing(Exception):
    """The package that was asked for is not installed; the message says what to do."""


class Vendor(msgspec.Struct, frozen=True):
    """What we use of the package, whatever it is called."""

    name: str
    stream: Any
    rest: Any
    auth_error: type[Exception]
    bad_response: type[Exception]


@functools.cache
def load(package: str = "") -> Vendor:
    """The package by name; without one, the newer of those that are installed. Raises PackageMissing."""
    names = (package,) if package else PACKAGES
    for name in names:
        try:
            module, errors = importlib.import_module(name), importlib.import_module(f"{name}.exceptions")
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != name:
                raise
            continue
        hush()
        return Vendor(name, module.WebSocketClient, module.RESTClient, errors.AuthError, errors.BadResponse)
    wanted = " or ".join(names)
    raise PackageMissing(
        f"the package {wanted} is not installed: pip install massive, or leave MARKET_DATA_CLIENT empty"
    )


def hush() -> None:
    """Remove the handlers that the package put on its loggers, and keep websockets from logging the key it sends."""
    for name in ("WebSocketClient", "RESTClient"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.setLevel(logging.WARNING)
    logging.getLogger("websockets").setLevel(logging.INFO)


def stream_address(address: str, *, secure: bool = True) -> tuple[str, bool]:
    """(host and port, secure) of `wss://socket.polygon.io/stocks` or of a bare `host:port`. Raises ValueError."""
    if "://" not in address:
        return address.rstrip("/"), secure
    parts = urlsplit(address)
    if parts.scheme not in {"ws", "wss"} or not parts.netloc or parts.path.strip("/") not in {"", MARKET}:
        raise ValueError(f"a stream address looks like wss://socket.polygon.io/stocks, not {address!r}")
    return parts.netloc, parts.scheme == "wss"


def scrubbed(words: object, key: str) -> str:
    """The vendor's words without the key, on one line and of bounded length."""
    text = " ".join(str(words).split())
    return (text.replace(key, "***") if key else text)[:200]
