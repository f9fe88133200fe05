"""What the store says about itself: its days, where each came from, and what was found wrong."""

import datetime as dt
import hashlib

import msgspec

FORMAT = 1


class DataProblem(Exception):
    """Something about files or options that the person can put right; the text is one line that says how."""


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One imported file. `rows` = `stored` + `duplicates` + the sum of `refused`; `flagged` rows are among the stored."""

    name: str
    sha256: str
    format: str
    options: dict[str, str] = {}
    rows: int = 0
    stored: int = 0
    duplicates: int = 0
    replaced: int = 0
    refused: dict[str, int] = {}
    flagged: dict[str, int] = {}
    days: int = 0
    report: str = ""

    @property
    def id(self) -> str:
        """Content, format and options: what makes a second import the same import."""
        return source_id(self.sha256, self.format, self.options)


def source_id(sha256: str, form: str, options: dict[str, str]) -> str:
    """The manifest's key of a source; short, because a store can have many."""
    words = [sha256, form, *(f"{name}={options[name]}" for name in sorted(options))]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


class Day(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One day's file. `content` is the hash of the bars, `sha256` that of the file; `sources` are keys of the manifest's."""

    rows: int
    tickers: int
    bytes: int
    sha256: str
    content: str
    sources: tuple[str, ...] = ()
    flags: dict[str, int] = {}


class Manifest(msgspec.Struct, kw_only=True):
    """The store's table of contents; `days` by ISO date."""

    version: int = FORMAT
    days: dict[str, Day] = msgspec.field(default_factory=dict)
    sources: dict[str, Source] = msgspec.field(default_factory=dict)

    def between(self, first: dt.date | None, last: dt.date | None) -> list[dt.date]:
        """The dates that are there, in order, both ends included."""
        every = sorted(dt.date.fromisoformat(text) for text in self.days)
        return [on for on in every if (first is None or on >= first) and (last is None or on <= last)]


def encode(manifest: Manifest) -> bytes:
    """As a person can read it, in a fixed order."""
    ordered = Manifest(
        version=manifest.version,
        days=dict(sorted(manifest.days.items())),
        sources=dict(sorted(manifest.sources.items())),
    )
    return msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n"


def decode(data: bytes, where: str) -> Manifest:
    """Raises DataProblem where it is no manifest of ours."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise DataProblem(f"{where} is damaged ({error}): import the files again into another --store") from None
    if manifest.version != FORMAT:
        raise DataProblem(f"{where} has format {manifest.version}, this program reads {FORMAT}: import the files again")
    return manifest
