"""Who guards the stops: files read with patience, thresholds at their borders, every change in words."""

import datetime as dt
import json
import os
from decimal import Decimal
from types import SimpleNamespace

import pytest
from bot_samples import EN, KO, NOW, seen

from bot.beats import Beats, Guard, file_beats
from bot.views import guardian as views
from bot.views import pinned as pinned_views
from bot.views.pinned import Held, Standing
from bot.watchdog import REPEAT_S, Watchdog, changed, guard_of
from core.model.params import Params
from core.model.safety import TradingState
from ports.store import StoreUnavailable

STANDING = Standing(
    at=NOW - dt.timedelta(minutes=5),
    held=(
        Held(ticker="NVDA", qty=7, stop_price=Decimal("121.72"), name="NVIDIA Corp", name_ko="엔비디아"),
        Held(ticker="AMD", qty=3, stop_price=Decimal("90.10"), frozen="split"),
    ),
    state=TradingState.REDUCING,
)


@pytest.mark.parametrize(
    ("beats", "guard"),
    [
        (Beats(trader_age_s=15.0, guardian_age_s=10.0), Guard.TRADER),
        (Beats(trader_age_s=15.1, guardian_age_s=1.0), None),
        (Beats(trader_age_s=30.0, guardian_age_s=1.0), None),
        (Beats(trader_age_s=30.1, guardian_age_s=1.0), Guard.NOT_TAKEN),
        (Beats(trader_age_s=None, guardian_age_s=1.0), Guard.NOT_TAKEN),
        (Beats(trader_age_s=16.0, guardian_age_s=1.0, in_charge=True), Guard.GUARDIAN),
        (Beats(trader_age_s=1.0, guardian_age_s=1.0, in_charge=True, standby=True), Guard.GUARDIAN),
        (Beats(trader_age_s=1.0, guardian_age_s=1.0, in_charge=True, keeps=True), Guard.GUARDIAN_KEEPS),
        (Beats(trader_age_s=1.0, guardian_age_s=10.1), None),
        (Beats(trader_age_s=1.0, guardian_age_s=15.1, in_charge=True, keeps=True), Guard.TRADER_ALONE),
        (Beats(trader_age_s=1.0, guardian_age_s=None), Guard.TRADER_ALONE),
        (Beats(trader_age_s=15.1, guardian_age_s=15.1), Guard.NOBODY),
        (Beats(), Guard.NOBODY),
    ],
)
def test_who_guards_the_stops(beats, guard):
    assert guard_of(beats) is guard


def test_only_real_changes_are_told():
    assert changed(Guard.TRADER, Guard.GUARDIAN)
    assert changed(Guard.GUARDIAN, Guard.GUARDIAN_KEEPS)
    assert not changed(Guard.GUARDIAN_KEEPS, Guard.GUARDIAN)
    assert not changed(Guard.NOBODY, Guard.NOBODY)


def write(state_dir, name, content, age_s=0.0, now=1_000.0):
    path = state_dir / "beats" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    os.utime(path, (now - age_s, now - age_s))


async def test_beats_are_read_by_the_monotonic_clock_else_by_the_files_date(tmp_path):
    write(tmp_path, "trader", {"mono": "490.5", "standby": "yes"}, age_s=900)
    write(tmp_path, "guardian", {"in_charge": "True", "keeps": True, "trader_age_s": "3.0"}, age_s=4)
    read = file_beats(tmp_path, monotonic=lambda: 500.0, wall=lambda: 1_000.0)
    assert await read() == Beats(trader_age_s=9.5, guardian_age_s=4.0, in_charge=True, keeps=True, standby=True)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"\xff\xfe", b'{"mono": "soon", "in_charge": [1]}', b"[" * 70_000, b'{"mono": 1e999}'],
)
async def test_whatever_lies_in_a_beat_is_read_as_a_sign_of_life_only(tmp_path, content):
    write(tmp_path, "guardian", content, age_s=2)
    found = await file_beats(tmp_path, monotonic=lambda: 500.0, wall=lambda: 1_000.0)()
    assert found == Beats(trader_age_s=None, guardian_age_s=2.0)


async def test_a_beat_from_before_the_machine_started_is_no_sign_of_life(tmp_path):
    write(tmp_path, "guardian", {"mono": 90_000.0})
    found = await file_beats(tmp_path, monotonic=lambda: 5.0, wall=lambda: 1_000.0)()
    assert guard_of(found) is Guard.NOBODY


def text(last, now, t=KO, standing=STANDING) -> str:
    return seen(views.changed(last, now, standing, NOW, t).text)


def test_nobody_on_watch_names_every_stop_with_its_age_and_what_to_do():
    assert text(Guard.TRADER, Guard.NOBODY) == (
        "🚨🚨 손절을 지키는 곳이 없어요 · 매매봇과 감시견이 모두 응답하지 않음\n━━━━━━━━━━━━━━\n"
        "보유·손절가 (00:26 KST 기준, 5분 전)\n• NVDA 엔비디아 7주 · 손절가 $121.72\n• AMD 3주 · 손절가 $90.10\n"
        "   🧊 확인 필요: 액면분할·병합 의심\n━━━━━━━━━━━━━━\n"
        "직접 하실 일: KIS 앱에서 가격을 보고, 손절가 이하로 내려가면 직접 매도해 주세요.\n"
        "(현재가가 손절가보다 높을 때 손절가로 지정가 매도를 내면 바로 체결될 수 있으니 주의하세요.)\n"
        "지금 서버를 확인해 주세요."
    )
    assert "please look in the KIS app" in text(Guard.TRADER, Guard.NOBODY, EN, None)
    assert "What you can do" in text(Guard.TRADER, Guard.NOBODY, EN, None)
    empty = text(Guard.TRADER, Guard.NOT_TAKEN, EN, Standing(at=NOW))
    assert empty == (
        "🔴 The trader does not answer, so nothing is bought. Nothing is held either.\n"
        "Nothing was held as of 00:31 KST (just now).\nPlease check the server now."
    )


def test_taking_over_and_handing_back():
    taken = text(Guard.TRADER, Guard.GUARDIAN)
    assert taken.startswith("🛡 감시견이 이어받았어요 · 00:31 KST\n매매봇이 응답하지 않아")
    assert "• NVDA 엔비디아 7주 · 손절가 $121.72" in taken
    assert text(Guard.GUARDIAN, Guard.TRADER).startswith("🟢 매매봇이 감시를 돌려받았어요")
    assert text(Guard.NOBODY, Guard.TRADER).startswith("🟢 손절을 다시 지키고 있어요")
    assert text(Guard.TRADER_ALONE, Guard.TRADER) == "🟢 감시견이 다시 응답해요. 대기하고 있어요."


def test_a_guardian_that_keeps_the_watch_offers_to_give_it_back():
    view = views.changed(Guard.GUARDIAN, Guard.GUARDIAN_KEEPS, STANDING, NOW, KO)
    assert "10분 사이에 두 번 이어받아서" in view.text
    assert [b.text for row in view.keyboard.inline_keyboard for b in row] == ["🤝 감시 돌려주기"]


@pytest.mark.parametrize("t", [KO, EN], ids=["ko", "en"])
@pytest.mark.parametrize("guard", list(Guard))
def test_every_state_has_words(guard, t):
    shown = seen(views.guardian(Beats(trader_age_s=200.0, guardian_age_s=1.0, standby=True), guard, t).text)
    assert "{" not in shown
    for level in ("L0", "L1", "L2", "L3"):
        assert level in shown
    assert views.line(guard, t) in shown
    assert "{" not in text(Guard.TRADER, guard, t) + text(guard, Guard.TRADER, t)


def test_the_promise_says_what_is_not_promised():
    shown = seen(views.guardian(None, None, KO).text)
    assert "15초 뒤 이어받아 30초 안에 첫 보호 매도" in shown
    assert "L2 · 서버·디스크·네트워크 전체 장애\n자동 손절을 보장하지 못하고, 이 봇이 알려 드리지도 못해요." in shown
    assert "L3 · 증권사·거래소 장애, 거래정지, 갭 하락\n막을 수 없어요." in shown


def test_the_age_of_a_beat_is_shown_as_people_say_it():
    shown = seen(views.guardian(Beats(trader_age_s=3.4, guardian_age_s=200.0), Guard.TRADER, EN).text)
    assert "Trader: 3 s ago\nGuardian: 3 min ago" in shown
    assert "Trader: no sign of life" in seen(views.guardian(Beats(), None, EN).text)


def test_the_pinned_message_is_what_a_person_needs_without_us():
    assert seen(pinned_views.pinned(STANDING, KO).text) == (
        "📌 보유·손절가 (00:26 기준)\n🟠 매매 상태: 신규 매수 중지\n━━━━━━━━━━━━━━\n• NVDA 엔비디아 7주 · 손절가 $121.72\n"
        "• AMD 3주 · 손절가 $90.10\n   🧊 확인 필요: 액면분할·병합 의심\n━━━━━━━━━━━━━━\n"
        "기준 시각: 11월 21일 (토) 00:26 KST\n"
        "보유 중에는 약 10분마다 시각을 새로 적어요. 더 오래 멈춰 있으면 서버를 확인하고 KIS 앱에서 직접 손절을 지켜 주세요."
    )
    assert "💼 No positions." in seen(pinned_views.pinned(Standing(at=NOW), EN).text)


class Around:
    """A desk with nothing but what the watchdog touches; time is real seconds that the test sets."""

    def __init__(self, grace_s=0.0, kept=None, down=False):
        self.now, self.sent, self.kept, self.down = 0.0, [], kept, down
        self.standing = None
        self.beats = Beats(trader_age_s=1.0, guardian_age_s=1.0)
        deps = SimpleNamespace(
            beats=self.read,
            beats_grace_s=grace_s,
            chat=self,
            owners=(42,),
            clock=SimpleNamespace(now=lambda: NOW),
        )
        pinned = SimpleNamespace(last_known=self.last_known)
        self.params = Params()
        self.desk = SimpleNamespace(
            deps=deps, params=self.params, pinned=pinned, speak=lambda _: EN, wanted=lambda m: [m], outbox=self
        )
        self.dog = Watchdog(self.desk, lambda: self.now)

    async def read(self):
        return self.beats

    async def last_known(self):
        return self.standing

    async def preference(self, _user, _key):
        if self.down:
            raise StoreUnavailable("down")
        return self.kept

    async def set_preference(self, _user, _key, value):
        if self.down:
            raise StoreUnavailable("down")
        self.kept = value

    async def put(self, messages):
        self.sent += [(m.text.split("\n")[0], m.quiet, m.urgent) for m in messages]

    async def look(self, at, beats):
        """What is said at an instant about these beats."""
        self.now, self.beats, self.sent = at, beats, []
        await self.dog.look()
        return [seen(text) for text, _, _ in self.sent]


DEAD = Beats(trader_age_s=99.0, guardian_age_s=99.0)


async def test_silence_right_after_the_start_is_no_alarm_but_a_takeover_is():
    around = Around(grace_s=30.0)
    assert await around.look(29.9, DEAD) == []
    assert await around.look(29.9, Beats(trader_age_s=1.0)) == []
    assert await around.look(29.9, Beats(trader_age_s=20.0, guardian_age_s=1.0, in_charge=True)) != []
    assert (await around.look(30.0, DEAD))[0].startswith("🚨🚨 Nobody guards the stops")


async def test_nobody_on_watch_is_repeated_every_five_minutes_until_it_ends():
    around = Around()
    assert len(await around.look(10.0, DEAD)) == 1
    assert around.sent[0][1:] == (False, True)
    assert await around.look(10.0 + REPEAT_S - 0.1, DEAD) == []
    assert len(await around.look(10.0 + REPEAT_S, DEAD)) == 1
    assert await around.look(10.0 + REPEAT_S + 1, DEAD) == []
    fine = Beats(trader_age_s=1.0, guardian_age_s=1.0)
    assert len(await around.look(900.0, fine)) == 1
    assert around.sent[0][1:] == (True, False)
    assert await around.look(900.0 + 2 * REPEAT_S, fine) == []


async def test_where_nothing_is_held_it_is_told_once():
    around = Around()
    around.standing = Standing(at=NOW)
    assert len(await around.look(1.0, DEAD)) == 1
    assert await around.look(1.0 + REPEAT_S, DEAD) == []
    around.standing = STANDING
    assert len(await around.look(2.0 + 2 * REPEAT_S, DEAD)) == 1


async def test_other_states_are_not_repeated_and_moments_of_change_say_nothing():
    around = Around()
    taken = Beats(trader_age_s=20.0, guardian_age_s=1.0, in_charge=True)
    assert len(await around.look(1.0, taken)) == 1
    assert await around.look(1.0 + 2 * REPEAT_S, taken) == []
    assert await around.look(700.0, Beats(trader_age_s=20.0, guardian_age_s=1.0)) == []


@pytest.mark.parametrize(("kept", "told"), [("guardian", 0), ("trader", 1), ("nonsense", 1), (None, 1)])
async def test_what_was_told_before_a_restart_is_remembered(kept, told):
    around = Around(kept=kept)
    assert len(await around.look(1.0, Beats(trader_age_s=20.0, guardian_age_s=1.0, in_charge=True))) == told
    assert around.kept == ("guardian" if told else kept)


async def test_without_a_database_each_change_is_still_told_once():
    around = Around(down=True)
    assert len(await around.look(1.0, DEAD)) == 1
    assert await around.look(2.0, DEAD) == []
