"""The vendor's package, made fit for a service: no handlers of its own on stdout, addresses from the configuration."""

import logging
from urllib.parse import urlsplit

from polygon import RESTClient, WebSocketClient
from polygon.exceptions import AuthError, BadResponse

__all__ = ["AuthError", "BadResponse", "RESTClient", "WebSocketClient", "hush", "scrubbed", "stream_address"]

MARKET = "stocks"


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
