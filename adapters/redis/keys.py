"""Names and limits in Redis (design/architecture.md, facts/reliability.md section 6)."""

from typing import Final

from core.model.messages import Channel

FIELD: Final = "m"
"""The one field of a stream entry: the message as JSON."""

LIMITS: Final[dict[Channel, int]] = {
    Channel.SCREENED: 5000,
    Channel.SIGNAL: 2000,
    Channel.TREND: 2000,
    Channel.EVENTS: 5000,
}
"""Approximate length of each stream."""

KEPT_S: Final[dict[Channel, int]] = {Channel.BARS: 3 * 3600, Channel.CONTROL: 3 * 3600}
"""Streams that are kept for a time. A minute of the market comes in one message or in fifty, and whoever was away must miss
none of those that anybody looks back to (core/rules/history.py). What CONTROL says is state, which a new process reads elsewhere."""

LEAST_KEPT_S: Final = 60
"""Real seconds, whatever the sandbox's clock: a process that starts anew has time for it."""

DEAD: Final = "channel:dead"
DEAD_LIMIT: Final = 500

FROM_NOW: Final = frozenset({Channel.SIGNAL, Channel.TREND})
"""Channels whose past is dangerous: a new group starts at the end. All others start at the beginning."""

MAX_DELIVERIES: Final = 3
BATCH: Final = 32
MAX_CONNECTIONS: Final = 10
BLOCK_MS: Final = 1000
SOCKET_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 2.0
CLAIM_IDLE_MS: Final = 60_000
SWEEP_EVERY_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 5.0

LIFE: Final = "seohak:life"
"""Written once; another value means that the server has lost what it knew."""

HEARTBEAT_PREFIX: Final = "heartbeat:"
HEARTBEAT_TTL_S: Final = 120


def start_id(channel: Channel) -> str:
    """Where a new consumer group begins to read."""
    return "$" if channel in FROM_NOW else "0"


def heartbeat_key(process: str) -> str:
    """The hash that holds a process's heartbeat."""
    return f"{HEARTBEAT_PREFIX}{process}"
