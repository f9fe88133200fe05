"""The environment and .env as settings: each process reads only its own secrets."""

import hashlib
import importlib.util
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values

from config.params import ConfigError

ROOT = Path(__file__).resolve().parent.parent
# A Unix socket's path is limited to 107 bytes by the kernel.
SOCKET_LIMIT = 100


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """What every process needs; an empty `redis_url` means the embedded server of this state directory."""

    state_dir: Path
    config_path: Path
    redis_url: str
    database_url: str
    log_level: str

    def socket(self, name: str) -> Path:
        """Where the Unix socket `name` lies: in the state directory, or in the temporary one if that is too deep."""
        path = self.state_dir / f"{name}.sock"
        if len(str(path).encode()) <= SOCKET_LIMIT:
            return path
        digest = hashlib.sha256(str(self.state_dir).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"seohak-{digest}-{name}.sock"


class PolygonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Market data; `package` is whose client reads it, empty for the newer of those installed."""

    key: str
    package: str
    ws_url: str
    rest_url: str


class FlatFileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Whole days of market data over S3; the keys are others than that of the REST API."""

    access_key: str
    secret_key: str
    url: str


class KisSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The broker. `base_url` is where orders go, `quote_url` where prices come from (always the real host)."""

    hts_id: str
    account: str
    appkey: str
    appsecret: str
    base_url: str
    quote_url: str
    paper: bool
    rate_per_s: float
    timeout_s: float


class TelegramSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The chat."""

    token: str
    owners: frozenset[int]
    viewers: frozenset[int]
    api_url: str


VENDOR_HOSTS = {"polygon": "polygon.io", "massive": "massive.com"}
REAL_HOST = "https://openapi.koreainvestment.com:9443"
MASTER_HOST = "https://new.real.download.dws.co.kr"
PAPER_HOST = "https://openapivts.koreainvestment.com:29443"


def env_file() -> Path:
    """Where a person's .env lies."""
    return Path(os.environ.get("SEOHAK_ENV_FILE", ROOT / ".env"))


def environment(file: Path | None = None) -> dict[str, str]:
    """The process environment on top of .env."""
    path = file or env_file()
    from_file = {k: v for k, v in dotenv_values(path).items() if v} if path.is_file() else {}
    return {**from_file, **os.environ}


def _required(env: Mapping[str, str], *names: str) -> str:
    for name in names:
        if value := env.get(name, "").strip():
            return value
    raise ConfigError(f"{names[0]} is missing: put it into .env (see .env.example)")


def base(env: Mapping[str, str]) -> Base:
    """State directory, configuration file, Redis and database."""
    state_dir = Path(env.get("SEOHAK_STATE_DIR", str(ROOT / "state"))).resolve()
    database = env.get("DATABASE_URL") or f"sqlite+aiosqlite:///{state_dir / 'seohak.db'}"
    if database.startswith(("postgres://", "postgresql://")):
        database = "postgresql+asyncpg://" + database.split("://", 1)[1]
    return Base(
        state_dir=state_dir,
        config_path=Path(env.get("SEOHAK_CONFIG", str(ROOT / "config.yaml"))),
        redis_url=_redis(env.get("REDIS_URL", "").strip()),
        database_url=database,
        log_level=env.get("SEOHAK_LOG_LEVEL", "INFO"),
    )


def _redis(url: str) -> str:
    """Checked here, because a client's complaint may repeat a part of the password."""
    try:
        parts = urlsplit(url)
        usable = not url or (parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and parts.port != 0)
        usable = usable or (parts.scheme == "unix" and bool(parts.path))
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            "REDIS_URL must look like redis://:PASSWORD@HOST:6379, rediss://… or unix:///path; write : / @ # ? % of a "
            "password as %3A %2F %40 %23 %3F %25"
        )
    return url


def master_url(env: Mapping[str, str]) -> str:
    """Where KIS offers its symbol files; they need no key."""
    return env.get("KIS_MASTER_URL", MASTER_HOST)


def polygon(env: Mapping[str, str]) -> PolygonSettings:
    """Key and addresses of the market data, under the vendor's old name or its new one; the old hosts answer to both."""
    package = env.get("MARKET_DATA_CLIENT", "").strip()
    if package not in {"", *VENDOR_HOSTS}:
        raise ConfigError(f"MARKET_DATA_CLIENT must be empty, polygon or massive, not {package!r}")
    if package and importlib.util.find_spec(package) is None:
        raise ConfigError(
            f"MARKET_DATA_CLIENT is {package}, which is not installed: pip install it, or leave MARKET_DATA_CLIENT empty"
        )
    host = VENDOR_HOSTS[package or "polygon"]
    return PolygonSettings(
        key=_required(env, "POLYGON_API_KEY", "MASSIVE_API_KEY"),
        package=package,
        ws_url=_either(env, "POLYGON_WS_URL", "MASSIVE_WS_URL") or f"wss://socket.{host}/stocks",
        rest_url=_either(env, "POLYGON_REST_URL", "MASSIVE_REST_URL") or f"https://api.{host}",
    )


def _either(env: Mapping[str, str], *names: str) -> str:
    return next((value for name in names if (value := env.get(name, "").strip())), "")


def kis_market(env: Mapping[str, str]) -> KisSettings:
    """The real account's key for market data: KIS serves no rankings to keys of its paper accounts."""
    return kis(env, "kis_real")


def check_feed(env: Mapping[str, str], feed: str) -> None:
    """Raise ConfigError, naming the feed and the way out, where the keys of `scanner.feed` are missing."""
    try:
        kis_market(env) if feed == "kis" else polygon(env)
    except ConfigError as error:
        other = "polygon (POLYGON_API_KEY)" if feed == "kis" else "kis (free, the real account's KIS_APPKEY)"
        raise ConfigError(f"scanner.feed is {feed}: {error}; or set scanner.feed: {other}") from None


def flat_files(env: Mapping[str, str]) -> FlatFileSettings:
    """Keys and address of Polygon's flat files."""
    return FlatFileSettings(
        access_key=_required(env, "POLYGON_S3_ACCESS_KEY"),
        secret_key=_required(env, "POLYGON_S3_SECRET_KEY"),
        url=env.get("POLYGON_S3_URL", "https://files.polygon.io"),
    )


def kis(env: Mapping[str, str], venue: str) -> KisSettings:
    """Credentials and addresses of the broker for `venue` (kis_virtual or kis_real)."""
    paper = venue == "kis_virtual"
    prefix = "KIS_VIRTUAL_" if paper else "KIS_"
    quote_url = env.get("KIS_BASE_URL", REAL_HOST)
    base_url = env.get("KIS_VIRTUAL_BASE_URL", PAPER_HOST) if paper else quote_url
    return KisSettings(
        hts_id=_required(env, "KIS_HTS_ID"),
        account=_required(env, f"{prefix}ACCOUNT"),
        appkey=_required(env, f"{prefix}APPKEY"),
        appsecret=_required(env, f"{prefix}APPSECRET"),
        base_url=base_url,
        quote_url=quote_url,
        paper=paper,
        rate_per_s=_number(env, "KIS_RATE_PER_S", 1.0 if paper else 15.0),
        timeout_s=_number(env, "KIS_TIMEOUT_S", 8.0),
    )


def telegram(env: Mapping[str, str]) -> TelegramSettings:
    """Token, owners and server of the chat; an empty list of owners is refused. Who is both is an owner."""
    owners = _people(_required(env, "TELEGRAM_OWNER_IDS"), "TELEGRAM_OWNER_IDS")
    viewers = _people(env.get("TELEGRAM_VIEWER_IDS", ""), "TELEGRAM_VIEWER_IDS")
    if not owners:
        raise ConfigError("TELEGRAM_OWNER_IDS is empty: without an owner nobody may command the bot")
    return TelegramSettings(
        token=_required(env, "TELEGRAM_BOT_TOKEN"),
        owners=owners,
        viewers=viewers - owners,
        api_url=env.get("TELEGRAM_API_URL", ""),
    )


def _people(raw: str, name: str) -> frozenset[int]:
    try:
        people = frozenset(int(part) for part in raw.replace(" ", "").split(",") if part)
    except ValueError:
        raise ConfigError(f"{name}: expected numbers separated by commas, for example 123456789") from None
    if any(person <= 0 for person in people):
        raise ConfigError(f"{name}: a person's number is positive; a group can't be one")
    return people


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(env.get(name, default))
    except ValueError:
        raise ConfigError(f"{name}: expected a number, not {env[name]!r}") from None
    if not 0 < value < math.inf:
        raise ConfigError(f"{name}: expected a positive number, not {value:g}")
    return value
