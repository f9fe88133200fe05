"""Polygon's flat files: the market's minute bars of a day as one csv.gz, over S3 (facts: polygon.md section 3)."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pyarrow as pa
from pyarrow import fs

FOLDER = "flatfiles/us_stocks_sip/minute_aggs_v1"
AT_ONCE = 1 << 20


class FlatFilesUnavailable(Exception):
    """The vendor did not list or send a file; try again later."""


class FlatFile(msgspec.Struct, frozen=True):
    """A day that is there; `version` changes when the vendor replaces the file."""

    on: dt.date
    path: str
    size: int
    version: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rsplit("/", 1)[1]


class FlatFiles:
    """Listing and fetching. `url` is https://files.polygon.io, or http:// for a server nearby."""

    def __init__(self, access_key: str, secret_key: str, url: str, *, timeout_s: float = 30.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/"):
            raise ValueError(f"an address of flat files looks like https://files.polygon.io, not {url!r}")
        self._files = fs.S3FileSystem(
            access_key=access_key,
            secret_key=secret_key,
            endpoint_override=parts.netloc,
            scheme=parts.scheme,
            # the vendor has no regions; without a name the library would ask Amazon for one
            region="us-east-1",
            connect_timeout=timeout_s,
            request_timeout=timeout_s,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=3),
        )

    def days(self, first: dt.date, last: dt.date) -> list[FlatFile]:
        """The files from `first` to `last`, in order; days that the vendor does not have are not among them."""
        found = []
        month = first.replace(day=1)
        while month <= last:
            selector = fs.FileSelector(f"{FOLDER}/{month:%Y/%m}", allow_not_found=True)
            try:
                infos = self._files.get_file_info(selector)
            except (OSError, pa.ArrowException) as error:
                raise FlatFilesUnavailable(_words(error)) from None
            for info in infos:
                on = _date_of(info.base_name)
                if on is not None and first <= on <= last and info.is_file:
                    found.append(FlatFile(on, info.path, info.size, f"{info.size}-{info.mtime_ns}"))
            month = (month + dt.timedelta(days=31)).replace(day=1)
        return sorted(found, key=lambda file: file.on)

    def fetch(self, file: FlatFile, target: Path, tick: Callable[[int], None] = lambda _: None) -> None:
        """Bring a file to `target`, going on where an earlier attempt for the same version ended.

        `tick` hears how many of its bytes are here. `target` appears when it is complete.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{file.version}.part")
        for stale in target.parent.glob(f".{target.name}.*.part"):
            if stale != part:
                stale.unlink()
        have = part.stat().st_size if part.exists() else 0
        if have > file.size:
            part.unlink()
            have = 0
        tick(have)
        try:
            with self._files.open_input_file(file.path) as remote, part.open("ab") as local:
                if remote.size() != file.size:
                    raise FlatFilesUnavailable(f"{file.name} has just been replaced: run the command again")
                while have < file.size:
                    data = remote.read_at(min(AT_ONCE, file.size - have), have)
                    if not data:
                        raise FlatFilesUnavailable(f"{file.name} ended early: run the command again")
                    local.write(data)
                    have += len(data)
                    tick(have)
        except (OSError, pa.ArrowException) as error:
            raise FlatFilesUnavailable(_words(error)) from None
        part.replace(target)


def _date_of(name: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(name.removesuffix(".csv.gz")) if name.endswith(".csv.gz") else None
    except ValueError:
        return None


def _words(error: Exception) -> str:
    """What is known of the trouble, without addresses."""
    text = " ".join(str(error).split())
    if "ACCESS_DENIED" in text or "HTTP status 403" in text or "INVALID_ACCESS_KEY" in text or "SIGNATURE" in text:
        return "the vendor refuses the keys: look at POLYGON_S3_ACCESS_KEY, POLYGON_S3_SECRET_KEY and the plan (Starter or more)"
    return text.rsplit("AWS Error", 1)[-1].strip()[:160] or type(error).__name__
