"""Messages to JSON and back; each channel carries its own message types only."""

from typing import Any, Final

import msgspec

from core.model.messages import (
    VERSION,
    AnyMessage,
    BarsClosed,
    Channel,
    Event,
    HoldingsChanged,
    Screened,
    SettingsChanged,
    Signal,
    SplitsOfDay,
    TrendAnswered,
    TrendAsked,
    WatchListChanged,
)

ACCEPTED: Final[dict[Channel, tuple[type[AnyMessage], ...]]] = {
    Channel.SCREENED: (Screened,),
    Channel.BARS: (BarsClosed,),
    Channel.SIGNAL: (Signal,),
    Channel.TREND: (TrendAsked, TrendAnswered),
    Channel.EVENTS: (Event,),
    Channel.CONTROL: (HoldingsChanged, WatchListChanged, SplitsOfDay, SettingsChanged),
}
"""What may travel on each channel."""

_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")
_DECODER: Final[msgspec.json.Decoder[AnyMessage]] = msgspec.json.Decoder(AnyMessage)


class Undecodable(Exception):
    """The bytes are no message of this channel; the text says why."""


class _Header(msgspec.Struct):
    v: Any = None


def encode(channel: Channel, message: AnyMessage) -> bytes:
    """The message as JSON; sending a type that the channel does not carry is a bug."""
    assert isinstance(message, ACCEPTED[channel]), f"{channel} does not carry {type(message).__name__}"
    return _ENCODER.encode(message)


def decode(channel: Channel, body: bytes) -> AnyMessage:
    """The message, or Undecodable with the reason: `json`, `version`, `schema` or `channel`."""
    try:
        message = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise Undecodable(_why(body, error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Undecodable(f"json: {error}") from error
    if not isinstance(message, ACCEPTED[channel]):
        raise Undecodable(f"channel: {channel} does not carry {type(message).__name__}")
    return message


def _why(body: bytes, error: msgspec.ValidationError) -> str:
    """An unknown version explains every other mismatch, so it is named first."""
    try:
        version = msgspec.json.decode(body, type=_Header).v
    except (msgspec.DecodeError, UnicodeDecodeError):
        version = VERSION
    return f"version: {version!r}" if version not in (None, VERSION) else f"schema: {error}"
