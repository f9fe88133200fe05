"""The one-share check against the sandbox's real host: nothing leaves untyped, everything that comes back is kept."""

import json
from decimal import Decimal

import msgspec
import pytest

from cli.live_check import LiveCheck, Report, Stopped
from core.model.instrument import Exchange
from sandbox.faults import parse

TICKER = "F"
STEPS = [
    "look",
    *("far_buy_sending", "far_buy", "far_buy_listed", "cancel", "cancelled", "cancel_again"),
    *("buy_sending", "buy", "bought", "held"),
    *("oversell_sending", "oversell"),
    *("sell_sending", "sell", "sold", "gone"),
]


class Person:
    """Types what is asked for, unless told otherwise; reads what is said."""

    def __init__(self):
        self.typed = []
        self.refuses = ""
        self.read = []

    def ask(self, question):
        words = question.split("type to send: ")[1].splitlines()[0]
        self.typed.append(words)
        return "no" if self.refuses and words.startswith(self.refuses) else f"  {words.lower()} "


class Check:
    """A check under way."""

    def __init__(self, venue, ticker=TICKER, exchange=Exchange.NYSE):
        self.venue, self.person = venue, Person()
        self.report = Report(account="0" * 16, ticker=ticker, began_at=venue.clock.now(), host=venue.url)
        self.saved = []
        self.check = LiveCheck(
            venue.broker,
            venue.clock,
            self.report,
            exchange,
            ask=self.person.ask,
            say=self.person.read.append,
            save=lambda: self.saved.append(msgspec.json.encode(self.report)),
            sleep=self.sleep,
        )

    async def sleep(self, seconds):
        self.venue.clock.advance(seconds)

    @property
    def names(self):
        return [step.name for step in self.report.steps]

    def step(self, name):
        return next(step for step in self.report.steps if step.name == name)


@pytest.fixture
async def live(real):
    return Check(real)


async def test_one_share_is_bought_and_sold_and_every_answer_is_kept(live):
    await live.check.run()
    assert live.names == STEPS
    assert (live.report.finished, live.report.problems) == (True, [])
    sides = [words.rsplit(" ", 1)[0] for words in live.person.typed]
    assert sides == ["BUY 1 F", "CANCEL", "BUY 1 F", "SELL 2 F", "SELL 1 F"]
    assert live.step("oversell").answer["kind"] == "OrderRefused"
    assert live.step("oversell").answer["code"]
    assert live.step("bought").answer["filled"] == "1"
    assert (live.step("bought").seconds or 0) < 90
    assert live.venue.posts() == 4
    assert await live.venue.broker.holdings() == ()
    kept = json.loads(live.saved[-1])
    assert [step["name"] for step in kept["steps"]] == STEPS
    text = live.saved[-1].decode() + "".join(live.person.read)
    assert live.venue.credentials.account[:8] not in text
    assert live.venue.credentials.appkey not in text


async def test_each_order_is_written_down_before_it_is_sent(live):
    posts_when_saved = []
    live.check._save = lambda: posts_when_saved.append((live.names[-1], live.venue.posts()))
    await live.check.run()
    sent = [(name, posts) for name, posts in posts_when_saved if name.endswith("_sending")]
    assert sent == [("far_buy_sending", 0), ("buy_sending", 1), ("oversell_sending", 2), ("sell_sending", 3)]


@pytest.mark.parametrize(("words", "posts"), [("BUY", 0), ("CANCEL", 1), ("SELL 2", 2), ("SELL 1", 3)])
async def test_what_is_not_typed_is_not_sent(live, words, posts):
    live.person.refuses = words
    with pytest.raises(Stopped, match="nothing was sent"):
        await live.check.run()
    assert live.venue.posts() == posts
    assert not live.report.finished


@pytest.mark.parametrize(
    ("ticker", "exchange", "why"), [("NVDA", Exchange.NASD, "choose a cheaper"), ("NOPE", Exchange.NASD, "KIS")]
)
async def test_a_stock_that_does_not_fit_is_refused_before_anything_is_asked(real, ticker, exchange, why):
    live = Check(real, ticker, exchange)
    with pytest.raises(Stopped, match=why):
        await live.check.run()
    assert (live.person.typed, real.posts()) == ([], 0)


async def test_a_stock_that_is_held_already_is_refused(real):
    await real.broker.place(real.request(TICKER, qty=2))
    real.clock.advance(20)
    live = Check(real)
    with pytest.raises(Stopped, match="held already"):
        await live.check.run()
    assert live.person.typed == []


async def test_an_answer_that_is_lost_ends_it_and_nothing_is_sent_again(live, faults):
    faults.add(parse({"link": "kis_real", "action": "drop_reply", "match": {"path_contains": "/order"}, "times": 1}))
    with pytest.raises(Stopped, match="KIS app"):
        await live.check.run()
    assert live.names[-2:] == ["far_buy_sending", "far_buy"]
    assert live.step("far_buy").answer["kind"] == "OrderUnknown"
    assert live.venue.posts() == 1


async def test_a_sale_of_too_much_that_is_taken_keeps_the_door_closed(live, monkeypatch):
    """A broker that takes what it must refuse: told, cancelled, and the check has not passed."""
    place = live.venue.broker.place

    async def taken(request):
        if request.qty == 2:
            return await place(msgspec.structs.replace(request, qty=1, limit=request.limit + Decimal(1)))
        return await place(request)

    monkeypatch.setattr(live.venue.broker, "place", taken)
    await live.check.run()
    assert len(live.report.problems) == 1
    assert "more shares than there are" in live.report.problems[0]
    assert "oversell_cancelled" in live.names
    assert await live.venue.broker.holdings() == ()
