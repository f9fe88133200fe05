"""Mutated token answers and token files: a token that can stand in a header and lives, or none; nothing else happens."""

import datetime as dt
import json
import random
import re
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec

from adapters.kis import codes
from adapters.kis.answer import Answer
from adapters.kis.auth import TokenKeeper, TokenReply
from adapters.kis.client import KisGateway
from adapters.kis.pace import Rank, Turn
from adapters.kis.transport import Scrubber
from ports.broker import BrokerUnavailable
from tests.fuzz.kis_samples import FAILURES, TOKEN
from tests.fuzz.mutants import damaged, fuzz, mutated, wire
from tests.unit.sandbox.manual_clock import ManualClock

AT = dt.datetime(2026, 11, 18, 15, 0, tzinfo=dt.UTC)
FILE = {"text": "eyJ0.abc.def", "scheme": "Bearer", "expires_at": "2026-11-19T14:00:00Z"}
LOCK = {"not_before": AT.timestamp() - 100, "asked_at": AT.timestamp() - 161, "busy_until": 0.0}
HEADER = re.compile(r"[A-Za-z]+ [\x21-\x7e]+", re.ASCII)


class Asked(Exception):
    """KIS was asked for a new token."""


def demand_usable(header: str) -> None:
    assert HEADER.fullmatch(header), "the token can't stand in a header"


def test_a_token_file_gives_a_living_token_or_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "kis-token-x.json"
    clock = ManualClock(AT)

    def issue(_: Turn) -> TokenReply:
        raise BrokerUnavailable("asked", code="TEST")

    def check(rng: random.Random, notes: list[object]) -> None:
        document = mutated(rng, FILE)
        content = damaged(rng, wire(document))
        lock = damaged(rng, wire(mutated(rng, LOCK)))
        notes += [content, lock]
        # a new file each time: some file systems sync one that is written over
        for file, data in ((path, content), (path.with_suffix(".lock"), lock)):
            file.unlink(missing_ok=True)
            file.write_bytes(data)
        turn = Turn(Rank.ENTRY, time.monotonic())
        try:
            token = TokenKeeper(path, clock, issue, sleep=lambda _: None).token(turn)
        except BrokerUnavailable:
            assert document is not FILE or content != wire(FILE), "a good file was passed over"
            return
        demand_usable(token.header)
        until = dt.datetime.fromisoformat(str(json.loads(content)["expires_at"]).upper())
        assert token.expires_at == until
        assert until - AT > dt.timedelta(minutes=1), "a dead token was taken"

    fuzz("token files", check)


def test_a_token_answer_gives_a_living_token_or_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "kis-token-y.json"
    learned: list[str] = []
    gateway = SimpleNamespace(scrub=Scrubber(), _key=lambda _: {"appkey": "k", "appsecret": "s"}, _learn=learned.append)
    gateway._words = lambda answer: KisGateway._words(gateway, answer)

    def check(rng: random.Random, notes: list[object]) -> None:
        status, document = rng.choice([(200, TOKEN)] * 5 + list(FAILURES))
        content = damaged(rng, wire(mutated(rng, document)), 0.2)
        notes += [status, content]
        path.unlink(missing_ok=True)
        path.with_suffix(".lock").unlink(missing_ok=True)

        def send(*_: object, **__: object) -> Answer:
            return KisGateway._understood(gateway, SimpleNamespace(headers={}, status_code=status), content)

        gateway._send = send
        keeper = TokenKeeper(path, ManualClock(AT), lambda turn: KisGateway._issue(gateway, "real", turn))
        turn = Turn(Rank.ENTRY, time.monotonic() + 5)
        try:
            token = keeper.token(turn)
        except BrokerUnavailable as error:
            code = error.code
            assert code, "trouble without a code"
            assert not path.exists(), "a token that was not taken was kept"
            return
        assert status == 200
        demand_usable(token.header)
        assert token.text in learned, "a token was used before it was hidden"
        assert dt.timedelta(minutes=1) < token.expires_at - AT <= dt.timedelta(days=1)
        kept = msgspec.json.decode(path.read_bytes())
        assert kept["text"] == token.text
        assert path.stat().st_mode & 0o777 == 0o600

    fuzz("token answers", check)


def test_only_listed_codes_are_refusals() -> None:
    """The table answers for exact codes alone, whatever surrounds them."""
    known = sorted({code for _, code in codes.REFUSALS})

    def check(rng: random.Random, notes: list[object]) -> None:
        code = rng.choice(known)
        status = rng.choice((200, 500, 403, 404, 502, 0, -1))
        text = str(mutated(rng, code, 2))
        notes += [status, text]
        reason = codes.refusal(status, text)
        assert reason is None or text in known
        assert codes.reason_of(text) is None or text in known or text == codes.NOT_SENT
        # a business refusal is one in an HTTP 200 only
        assert reason is None or status == 200 or text.startswith(("EGW", "OPSQ", "IGW"))
        assert status in {401, 403, 500} or not codes.speaks_of_token(status, text)

    fuzz("codes", check)
