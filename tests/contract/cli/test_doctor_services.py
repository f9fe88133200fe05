"""`./seohak doctor` at the three services: wrong keys, late plans, other readers, and what it leaves alone."""

import dataclasses
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import pytest
from doctor_world import found, installation, runs, with_env, with_kis_feed, with_machine, with_venue

from cli.doctor.checkup import Checkup
from cli.doctor.command import as_json
from cli.doctor.examine import examine
from cli.doctor.lines import Level
from cli.doctor.registry import BY_NAME, CHECKS
from cli.probes.kis import token_path
from config.environment import kis as kis_settings
from sandbox.faults import parse
from sandbox.kis import REAL
from sandbox.telegram import person
from sandbox.telegram.model import Fault
from tests.contract.cli.conftest import ORIGIN, Services, serving
from tests.unit.sandbox.manual_clock import ManualClock

OK, SKIPPED, WARNING, ERROR = Level.OK, Level.SKIPPED, Level.WARNING, Level.ERROR


@dataclass
class Office:
    """The services, and an installation that has the right keys for them."""

    services: Services
    world: Checkup

    def fault(self, **body) -> None:
        self.services.faults.add(parse(body))


def office_of(services: Services, home) -> Office:
    env = {**services.variables, **services.keys}
    world = installation(home, env, services.clock)
    person.send_text(services.telegram, 7001, "/start")
    services.telegram.updates.pending.clear()
    return Office(services, msgspec.structs.replace(world, wall=lambda: services.clock.now().timestamp()))


@pytest.fixture
async def office(market, home) -> AsyncIterator[Office]:
    async with serving(market, ManualClock(ORIGIN)) as services:
        yield office_of(services, home)


def telegram_says(code, method="getMe"):
    def plant(office):
        office.services.telegram.add_fault(Fault(method=method, code=code, description="so it is"))

    return plant


def telegram_gone(office):
    return with_env(office.world, TELEGRAM_API_URL="http://127.0.0.1:1")


def other_token(office):
    return with_env(office.world, TELEGRAM_BOT_TOKEN="123456:" + "x" * 35)


def webhook(office):
    office.services.telegram.webhook = "https://elsewhere.example/hook"


def never_written(office):
    return with_env(office.world, TELEGRAM_OWNER_IDS="7001,7002")


def other_polygon_key(office):
    return with_env(office.world, POLYGON_API_KEY="somebody-elses-key")


def polygon_says(status):
    def plant(office):
        office.fault(link="polygon", action="error", status=status)

    return plant


def polygon_cut(office):
    office.fault(link="polygon", action="reset", times=9)


def polygon_maintenance(office):
    office.fault(link="polygon", action="html", match={"path_contains": "marketstatus"})


def real(office):
    return with_venue(office.world, "kis_real")


def kis_with(**env):
    return lambda office: with_env(real(office), **env)


def paper_key_at_the_real_host(office):
    """A key that has a token of the real host, but is another's."""
    world = real(office)
    path = token_path(kis_settings(world.env, "kis_real"), world.state_dir)
    keys = office.services.hosts["kis"].credentials
    token = office.services.hosts["kis"].tokens.issue(
        keys.appkey, keys.appsecret, "client_credentials", office.services.clock.now()
    )
    keys = office.services.keys
    world = with_env(world, KIS_APPKEY=keys["KIS_VIRTUAL_APPKEY"], KIS_APPSECRET=keys["KIS_VIRTUAL_APPSECRET"])
    path = token_path(kis_settings(world.env, "kis_real"), world.state_dir)
    path.parent.mkdir()
    path.write_text(json.dumps({"text": token.text, "scheme": "Bearer", "expires_at": token.expires_at.isoformat()}))
    return world


def kis_says(code, path="inquire-balance"):
    def plant(office):
        office.fault(link="kis_real", action="error", code=code, match={"path_contains": path}, times=9)
        return real(office)

    return plant


def kis_gone(office):
    return with_env(real(office), KIS_BASE_URL="http://127.0.0.1:1")


def kis_clock_off(office):
    office.fault(link="kis_real", action="clock_skew", seconds=-90)
    return real(office)


def ranked(office):
    """The feed of KIS, without any key of Polygon's."""
    return with_env(with_kis_feed(office.world), POLYGON_API_KEY="")


def ranked_with(**env):
    return lambda office: with_env(ranked(office), **env)


def rankings_say(code, path="price-fluct"):
    def plant(office):
        office.fault(link="kis_real", action="error", code=code, match={"path_contains": path}, times=9)
        return ranked(office)

    return plant


def paper_key_for_the_feed(office):
    keys = office.services.keys
    return with_env(ranked(office), KIS_APPKEY=keys["KIS_VIRTUAL_APPKEY"], KIS_APPSECRET=keys["KIS_VIRTUAL_APPSECRET"])


FAULTS = [
    ("other token", other_token, "telegram", ERROR, "does not know this bot token", "@BotFather"),
    ("telegram away", telegram_gone, "telegram", ERROR, "connection refused", "network"),
    ("telegram is flooded", telegram_says(429), "telegram", WARNING, "asks to wait", "minute"),
    ("telegram is broken", telegram_says(500), "telegram", ERROR, "500", "again"),
    ("webhook", webhook, "reader", ERROR, "by webhook", "@BotFather"),
    ("another reader", telegram_says(409, "getUpdates"), "reader", ERROR, "409", "other Seohak"),
    ("owner who never wrote", never_written, "owners", WARNING, "7002", "/start"),
    ("other key", other_polygon_key, "polygon", ERROR, "does not know this key", "./seohak init"),
    ("too many calls", polygon_says(429), "polygon", WARNING, "5 a minute", "minute"),
    ("polygon is broken", polygon_says(502), "polygon", ERROR, "502", "again"),
    ("polygon is maintained", polygon_maintenance, "polygon", ERROR, "502", "again"),
    ("polygon cut", polygon_cut, "polygon", ERROR, "not reached", "network"),
    ("other app key", kis_with(KIS_APPKEY="k" * 36), "kis", ERROR, "EGW00103", "apiportal"),
    ("other secret", kis_with(KIS_APPSECRET="s" * 180), "kis", ERROR, "EGW00105", "./seohak init"),
    ("other account", kis_with(KIS_ACCOUNT="50099999-01"), "kis", ERROR, "IGW00002", "12345678-01"),
    ("account of nonsense", kis_with(KIS_ACCOUNT="5001"), "kis", ERROR, "BAD_REQUEST", "36"),
    ("paper key", paper_key_at_the_real_host, "kis", ERROR, "EGW02004", "paper venue"),
    ("token a minute", kis_says("EGW00133", "tokenP"), "kis", WARNING, "EGW00133", "in a minute"),
    ("not for this address", kis_says("EGW00207"), "kis", ERROR, "EGW00207", "IP"),
    ("kis away", kis_gone, "kis", ERROR, "not reached", "9443"),
    ("feed: other secret", ranked_with(KIS_APPSECRET="s" * 180), "polygon", ERROR, "EGW00105", "real account's key"),
    ("feed: paper key", paper_key_for_the_feed, "polygon", ERROR, "EGW00103", "paper keys have no rankings"),
    ("feed: token a minute", rankings_say("EGW00133", "tokenP"), "polygon", WARNING, "EGW00133", "in a minute"),
    ("feed: not for this address", rankings_say("EGW00207"), "polygon", ERROR, "EGW00207", "IP"),
    ("feed: away", ranked_with(KIS_BASE_URL="http://127.0.0.1:1"), "polygon", ERROR, "not reached", "9443"),
    ("kis clock", kis_clock_off, "kis", WARNING, "-89.5", "set-ntp"),
]


@pytest.mark.parametrize(
    ("plant", "name", "level", "words", "remedy"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
async def test_a_fault_at_a_service_is_found_and_its_remedy_named(office, plant, name, level, words, remedy):
    line = await found(plant(office) or office.world, name)
    assert (line.level, words in line.text, remedy in line.remedy) == (level, True, True), line
    assert not [v for n, v in office.services.keys.items() if n.endswith(("KEY", "SECRET", "TOKEN")) and v in str(line)]


async def test_services_that_are_well_say_whose_they_are(office):
    """And no line shows a key."""
    world = dataclasses.replace(office, world=real(office)).world
    results = {r.name: r.line for r in await examine(world, [c for c in CHECKS if c.net and c.name != "clock"])}
    assert {name: line.level for name, line in results.items()} == dict.fromkeys(results, OK)
    assert results["telegram"].text == "@seohak_demo_bot"
    assert "real time" in results["polygon"].text
    assert "newest minute bar" in results["polygon"].text
    assert "real account" in results["kis"].text
    shown = as_json(await examine(world, [c for c in CHECKS if c.net]))
    keys = [v for n, v in office.services.keys.items() if not n.endswith("IDS") and v != REAL.hts_id]
    assert not [key for key in keys if key in shown]


LIVE, LATE = "wss://socket.polygon.io/stocks", "wss://delayed.polygon.io/stocks"


@pytest.mark.parametrize(
    ("plan", "stream", "level", "words", "remedy"),
    [
        ("starter", LATE, WARNING, "ended 90", "Stocks Advanced"),
        ("developer", LATE, WARNING, "15 minutes late", "Stocks Advanced"),
        ("starter", LIVE, ERROR, "refuses", f"POLYGON_WS_URL={LATE}"),
        ("advanced", LATE, WARNING, "delayed server", f"POLYGON_WS_URL={LIVE}"),
        ("basic", LIVE, ERROR, "end of day", "Stocks Advanced"),
    ],
)
async def test_a_plan_that_is_late_is_told_and_measured(market, home, plan, stream, level, words, remedy):
    """Fifteen minutes, in the regular session; a server that is not the plan's is told too."""
    async with serving(market, ManualClock(ORIGIN), plan=plan) as services:
        line = await found(with_env(office_of(services, home).world, POLYGON_WS_URL=stream), "polygon")
    assert (line.level, words in line.text, remedy in line.remedy) == (level, True, True), line


@pytest.mark.parametrize(("off_s", "level"), [(0, OK), (-5, WARNING), (40, ERROR)])
async def test_a_clock_that_is_wrong_is_told_in_seconds(office, off_s, level):
    """Against the Date of two services, whose clock is the machine's here."""
    import time

    world = msgspec.structs.replace(office.world, wall=lambda: time.time() + off_s)
    line = await found(world, "clock")
    assert line.level is level, line
    assert level is OK or "set-ntp" in line.remedy


async def test_a_machine_without_a_network_is_told_as_that(office):
    world = with_env(office.world, TELEGRAM_API_URL="http://127.0.0.1:1", POLYGON_REST_URL="http://127.0.0.1:1")
    line = await found(world, "clock")
    assert (line.level, "connection refused" in line.text, "DNS" in line.remedy) == (ERROR, True, True)


async def test_a_bot_of_ours_that_runs_is_not_disturbed(office):
    """No getUpdates, which would end its own."""
    runs(office.world, {"bot"})
    assert (await found(office.world, "reader")).level is OK
    assert not office.services.telegram.outbox


async def test_looking_for_another_reader_takes_no_message_away(office):
    person.send_text(office.services.telegram, 7001, "/panic")
    assert (await found(office.world, "reader")).level is OK
    assert len(office.services.telegram.updates.pending) == 1


async def test_one_token_serves_every_examination_and_the_trader(office):
    """KIS issues one a minute and tells the owner by KakaoTalk each time."""
    world, host = real(office), office.services.hosts["kis"]
    for _ in range(3):
        office.services.clock.advance(5)
        assert (await found(world, "kis")).level is OK
    assert host.tokens.issues == 1
    assert (await found(world, "token")).text.startswith("24")
    assert world.state_dir.joinpath("tokens").stat().st_mode & 0o077 == 0


async def test_a_token_that_the_trader_could_not_read_is_not_asked_for(office):
    """As when root looks at the installation of another user."""
    line = await found(with_machine(real(office), uid=office.world.machine.uid + 1), "kis")
    assert (line.level, "sudo -u" in line.remedy) == (WARNING, True), line
    assert office.services.hosts["kis"].tokens.issues == 0


async def test_without_keys_or_need_a_service_is_not_asked(office):
    """Paper orders need no KIS; a missing key has one line, that of the keys."""
    assert (await found(office.world, "kis")).level is SKIPPED
    assert (await found(office.world, "token")).level is SKIPPED
    bare = with_env(office.world, TELEGRAM_BOT_TOKEN="", POLYGON_API_KEY="")
    lines = [(await found(bare, name)).level for name in ("telegram", "reader", "owners", "polygon", "keys")]
    assert lines == [SKIPPED, SKIPPED, SKIPPED, SKIPPED, ERROR]
    assert set(BY_NAME) >= {"telegram", "polygon", "kis"}


async def test_the_rankings_are_asked_once_with_one_token_for_account_and_feed(office):
    """Side by side, as all checks are; without the feed's key nobody is asked."""
    world, host = with_venue(ranked(office), "kis_real"), office.services.hosts["kis"]
    lines = {r.name: r.line for r in await examine(world, [BY_NAME["polygon"], BY_NAME["kis"], BY_NAME["keys"]])}
    assert {name: line.level for name, line in lines.items()} == dict.fromkeys(lines, OK)
    assert "ranking was read" in lines["polygon"].text
    assert host.tokens.issues == 1
    assert (await found(with_env(world, KIS_APPSECRET=""), "polygon")).level is SKIPPED


async def test_a_token_that_the_collector_could_not_read_is_not_asked_for(office):
    line = await found(with_machine(ranked(office), uid=office.world.machine.uid + 1), "polygon")
    assert (line.level, "sudo -u" in line.remedy, "doctor polygon" in line.remedy) == (WARNING, True, True), line
    assert office.services.hosts["kis"].tokens.issues == 0


async def test_with_paper_orders_and_the_feed_of_kis_the_token_is_the_feeds(office):
    world = ranked(office)
    assert (await found(world, "polygon")).level is OK
    assert (await found(world, "token")).text.startswith("24")
    assert (await found(world, "kis")).level is SKIPPED
