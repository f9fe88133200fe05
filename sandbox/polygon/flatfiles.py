"""Polygon's flat files over S3: one csv.gz of minute bars per day, listed and read in ranges by whoever signs for it."""

import gzip
import hashlib
import hmac
import re
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import quote
from xml.sax.saxutils import escape

from aiohttp import web

from sandbox import calendar
from sandbox.clock import SandboxClock
from sandbox.market import Market
from sandbox.polygon.protocol import trade_count

BUCKET = "flatfiles"
PREFIX = "us_stocks_sip/minute_aggs_v1"
DEFAULT_ACCESS_KEY = "sandbox-flat-files"
DEFAULT_SECRET_KEY = "sandbox-flat-files-secret"  # noqa: S105  (the sandbox's own)
HEADER = "ticker,volume,open,close,high,low,window_start,transactions"
# a day's file is there from this hour of the next day on
READY_AT = time(11)
CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>\d{8}/[a-z0-9-]+/s3/aws4_request), ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


class FlatFiles:
    """Read-only, one bucket; register with `routes()`."""

    def __init__(
        self,
        market: Market,
        clock: SandboxClock,
        *,
        access_key: str = DEFAULT_ACCESS_KEY,
        secret_key: str = DEFAULT_SECRET_KEY,
    ) -> None:
        self._market, self._clock = market, clock
        self._access_key, self._secret_key = access_key, secret_key
        self._made: dict[str, bytes] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"/{BUCKET}", self.listing), web.get(f"/{BUCKET}/{{key:.+}}", self.read)]

    async def listing(self, request: web.Request) -> web.Response:
        if problem := self._refusal(request):
            return problem
        query = request.query
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        contents, folders = [], set[str]()
        for key in self._keys():
            rest = key.removeprefix(prefix)
            if not key.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
            else:
                contents.append(key)
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{self._ready(key):%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f"<ETag>&quot;{_etag(self._body(key))}&quot;</ETag><Size>{len(self._body(key))}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key in contents
        )
        rows += "".join(f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in sorted(folders))
        head = (
            f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(contents) + len(folders)}</KeyCount>"
            "<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
        )
        return _xml(
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{head}{rows}</ListBucketResult>'
        )

    async def read(self, request: web.Request) -> web.Response:
        if problem := self._refusal(request):
            return problem
        key = request.match_info["key"]
        if key not in self._keys():
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        body = self._body(key)
        headers = {
            "ETag": f'"{_etag(body)}"',
            "Last-Modified": f"{self._ready(key):%a, %d %b %Y %H:%M:%S GMT}",
            "Accept-Ranges": "bytes",
        }
        if request.method == "HEAD" or "Range" not in request.headers:
            return web.Response(body=body, headers=headers, content_type="application/gzip")
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers["Range"])
        first = int(match[1]) if match else len(body)
        last = min(int(match[2]) if match and match[2] else len(body) - 1, len(body) - 1)
        if first > last:
            return _error(416, "InvalidRange", "The requested range is not satisfiable")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        return web.Response(body=body[first : last + 1], status=206, headers=headers, content_type="application/gzip")

    def _keys(self) -> list[str]:
        """The market's day once it has been published; the sandbox knows no other."""
        key = f"{PREFIX}/{self._market.day:%Y/%m/%Y-%m-%d}.csv.gz"
        return [key] if self._clock.now() >= self._ready(key) else []

    def _ready(self, key: str) -> datetime:
        day = date.fromisoformat(key.rsplit("/", 1)[1].removesuffix(".csv.gz"))
        return calendar.at(day + timedelta(days=1), READY_AT).astimezone(UTC)

    def _body(self, key: str) -> bytes:
        """By ticker and then by time, as the real files are."""
        if key not in self._made:
            lines = [HEADER]
            for symbol in self._market.symbols:
                for bar in self._market.closed_bars(symbol, self._ready(key)):
                    prices = f"{bar.open:g},{bar.close:g},{bar.high:g},{bar.low:g}"
                    start_ns = bar.start_ms * 1_000_000
                    lines.append(f"{symbol},{bar.volume},{prices},{start_ns},{trade_count(bar.volume)}")
            self._made[key] = gzip.compress("\n".join([*lines, ""]).encode(), mtime=0)
        return self._made[key]

    def _refusal(self, request: web.Request) -> web.Response | None:
        """S3's answer to a request that is not signed with our keys (AWS Signature Version 4)."""
        match = CREDENTIAL.fullmatch(request.headers.get("Authorization", ""))
        if match is None:
            return _error(403, "AccessDenied", "Access Denied")
        if match["key"] != self._access_key:
            return _error(
                403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
            )
        if not hmac.compare_digest(match["signature"], signature(request, self._secret_key, match)):
            text = "The request signature we calculated does not match the signature you provided."
            return _error(403, "SignatureDoesNotMatch", text)
        return None


def signature(request: web.Request, secret_key: str, credential: re.Match[str]) -> str:
    """What the signature of a request must be."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in request.query.items())
    headers = credential["headers"].split(";")
    canonical = "\n".join(
        [
            request.method,
            request.raw_path.split("?")[0],
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in headers),
            "",
            credential["headers"],
            request.headers.get("x-amz-content-sha256", ""),
        ]
    )
    to_sign = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            request.headers.get("x-amz-date", ""),
            credential["scope"],
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    key = b"AWS4" + secret_key.encode()
    for part in credential["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, to_sign.encode(), "sha256").hexdigest()


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _xml(text: str, status: int = 200) -> web.Response:
    return web.Response(
        text=f'<?xml version="1.0" encoding="UTF-8"?>{text}', status=status, content_type="application/xml"
    )


def _error(status: int, code: str, text: str) -> web.Response:
    return _xml(f"<Error><Code>{code}</Code><Message>{text}</Message></Error>", status)
