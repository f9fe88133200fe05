"""The guardian's own reading of KIS: prices, shares and orders that make sense, or its one error."""

import random
import time
from pathlib import Path

import pytest

from services import guardian_broker
from services.guardian_broker import Access, GuardianBroker, GuardianRefused, GuardianTrouble
from services.guardian_files import parse
from services.guardian_session import Answer, Session
from tests.fuzz.kis_samples import (
    FAILURES,
    HOLDINGS,
    MOST_PRICE,
    ODNO,
    ORDERS,
    PLACED,
    PRICE,
    REFUSED,
    understood,
    word,
)
from tests.fuzz.mutants import damaged, fuzz, mutate, mutated, wire

OK = {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "", "ctx_area_fk200": "", "ctx_area_nk200": ""}
Row = dict[str, object]


class ScriptedSession(Session):
    """A session whose answers are bytes from a script; nothing leaves."""

    def __init__(self, access: Access, folder: Path) -> None:
        super().__init__(access, folder, time.time)
        self.answers: list[Answer] = []
        self.posts = 0

    def call(
        self, method: str, base: str, path: str, tr_id: str, fields: dict[str, str], *, more: bool = False
    ) -> Answer:
        self.posts += method == "POST"
        if not self.answers:
            raise GuardianTrouble("no more answers")
        return self.answers.pop(0)


@pytest.fixture
def broker(tmp_path: Path) -> GuardianBroker:
    access = Access("http://127.0.0.1:1", "http://127.0.0.1:1", "k" * 36, "s" * 180, "50012345-01", paper=False)
    made = GuardianBroker(access, tmp_path)
    made._kis = ScriptedSession(access, tmp_path)
    return made


def answered(rng: random.Random, status: int, document: object, *, more: bool = False) -> Answer:
    body = parse(damaged(rng, wire(document), 0.15))
    return Answer(status, body if isinstance(body, dict) else {}, more)


def page(rng: random.Random, output: str, rows: object) -> Answer:
    document: object = {**OK, output: rows}
    for _ in range(rng.choice((0, 1, 1, 2))):
        document = mutate(rng, document)
    return answered(rng, rng.choice((200,) * 9 + (500,)), document, more=rng.random() < 0.1)


def test_prices_are_positive_and_shares_are_whole_and_none_below_zero(broker: GuardianBroker) -> None:
    session = broker._kis

    def price(rng: random.Random, notes: list[object]) -> None:
        session.answers = [answered(rng, 200, mutated(rng, {**OK, "output": PRICE}))]
        notes += session.answers
        raw = session.answers[0].body
        last = broker.price("TSLL", "NASD")
        assert 0 < last <= MOST_PRICE, "a price that is none"
        rows = [r for r in _rows(raw.get("output")) if isinstance(r, dict)]
        assert last == understood(rows[0].get("last")), "a price that the answer does not say"

    def shares(rng: random.Random, notes: list[object]) -> None:
        answers = [page(rng, "output1", list(HOLDINGS)) for _ in range(2)]
        session.answers = list(answers)
        notes += answers
        held = broker.shares("NASD")
        for ticker, found in held.items():
            assert ticker
            if found is None:
                continue
            has, free = found
            assert type(has) is type(free) is int
            assert 0 <= has <= 10**10, "shares below zero"
            assert 0 <= free <= has, "more free than held"
        asked = answers[: len(answers) - len(session.answers)]
        for row in (r for a in asked for r in _rows(a.body.get("output1")) if isinstance(r, dict)):
            qty = understood(row.get("ovrs_cblc_qty"))
            symbol = word(row, "ovrs_pdno").replace("/", ".")
            if symbol and (qty is None or qty < 0) and not copied(row, asked):
                assert held.get(symbol) is None, "a number that can't be read was taken for one"

    def check(rng: random.Random, notes: list[object]) -> None:
        try:
            (price if rng.random() < 0.5 else shares)(rng, notes)
        except GuardianTrouble:
            pass

    fuzz("guardian prices and shares", check)


def copied(row: Row, answers: list[Answer]) -> bool:
    """Whether another row of the same lot came, which counts instead."""

    def lot(found: Row) -> tuple[str, ...]:
        return tuple(word(found, key) for key in ("ovrs_pdno", "loan_type_cd", "loan_dt"))

    rows = [r for a in answers for r in _rows(a.body.get("output1")) if isinstance(r, dict)]
    return sum(lot(r) == lot(row) for r in rows) > 1


def _rows(output: object) -> list[object]:
    return output if isinstance(output, list) else [output]


def test_every_order_that_may_live_is_seen_unless_the_list_can_not_be_read(broker: GuardianBroker) -> None:
    session = broker._kis

    def check(rng: random.Random, notes: list[object]) -> None:
        rows = [{**row, "odno": f"{n + 1:010d}"} for n, row in enumerate(rng.choices(ORDERS, k=3))]
        hurt = rng.randrange(4)
        if hurt < 3:
            changed = mutate(rng, rows[hurt])
            rows[hurt] = changed if isinstance(changed, dict) else rows[hurt]
            if changed is not rows[hurt]:
                hurt = 3
        body = parse(wire({**OK, "output": rows}))
        session.answers = [Answer(200, body if isinstance(body, dict) else {}, more=False), page(rng, "output", rows)]
        notes.append(rows)
        found = {order.odno: order for order in broker.open_orders()}
        for order in found.values():
            assert order.left > 0
            assert type(order.left) is int
            assert order.side in {"buy", "sell"}
            assert order.ticker
        for number, row in enumerate(rows):
            alive = word(row, "nccs_qty") not in {"", "0"} and row.get("prcs_stat_name") != "거부"
            if number != hurt and alive and isinstance(body, dict):
                assert str(number + 1) in found, "an order that may live was not seen"

    fuzz("guardian orders", check)


def test_a_sale_has_a_number_or_is_refused_by_a_listed_code_or_nobody_knows(broker: GuardianBroker) -> None:
    session = broker._kis
    answers = [(200, PLACED), (200, PLACED), (200, REFUSED), *FAILURES]

    def check(rng: random.Random, notes: list[object]) -> None:
        status, document = rng.choice(answers)
        answer = answered(rng, rng.choice((status, status, 200, 500)), mutated(rng, document))
        session.answers, session.posts = [answer], 0
        notes.append(answer)
        code = str(answer.body.get("rt_cd", "")).strip()
        try:
            odno = broker.sell("TSLL", "NASD", 5, "19.16")
        except GuardianRefused as refused:
            listed = guardian_broker.codes.refusal(answer.status, refused.code)
            assert code != "0", "a taken sale was called refused"
            assert listed is not None, "refused without a listed code"
        except GuardianTrouble:
            pass
        else:
            assert (answer.status, code) == (200, "0"), "sold without success"
            assert ODNO.fullmatch(odno), "sold without a number"
        assert session.posts == 1, "a sale was not sent exactly once"

    fuzz("guardian sales", check)
