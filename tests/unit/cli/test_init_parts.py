"""The parts of `./seohak init` without a terminal: the pairing code's life, keys of the wrong shape, no terminal."""

import io
import sys

import pytest

from cli.__main__ import main
from cli.init.answers import Answers
from cli.init.chat import CODE_LIFE_S, LETTERS, Pairing, new_pairing, wait_for
from cli.init.terminal import masked
from cli.probes.kis import advice, wrong_shape
from cli.probes.telegram import Written, _private

CODE = "ABCDEFGH23"


class Chat:
    """Gives what was written, batch by batch, and says which update was asked after."""

    def __init__(self, *batches: list[Written]) -> None:
        self.batches, self.asked = list(batches), []

    async def written(self, after: int, wait_s: int) -> tuple[int, list[Written]]:
        self.asked.append((after, wait_s))
        batch = self.batches.pop(0) if self.batches else []
        return max((w.update_id + 1 for w in batch), default=after), batch


def wrote(update_id: int, text: str, user_id: int = 7001) -> Written:
    return Written(update_id=update_id, user_id=user_id, name="x", text=text)


def ticking(step: float):
    """A monotonic clock that goes on by `step` at every look."""
    now = -step

    def monotonic() -> float:
        nonlocal now
        now += step
        return now

    return monotonic


@pytest.mark.parametrize("text", [f"/start pair-{CODE}", f"pair-{CODE}", CODE, CODE.lower(), f"  {CODE}\n"])
async def test_the_code_is_taken_as_the_link_sends_it_and_as_a_person_types_it(text):
    chat, strange = Chat([wrote(4, "hello", 9009)], [wrote(5, text)]), []
    found = await wait_for(chat, Pairing(code=CODE, ends=60), monotonic=ticking(1), other=strange.append)
    assert found is not None
    assert found.user_id == 7001
    assert [m.user_id for m in strange] == [9009]
    # each message is confirmed, the code's own included
    assert [after for after, _ in chat.asked] == [0, 5, 6]


@pytest.mark.parametrize("text", ["", " ", "/start", "/start pair-", CODE[:-1], CODE + "A", f"{CODE} x", "é"])
async def test_anything_else_is_not_the_code_and_it_expires(text):
    chat = Chat([wrote(5, text)])
    assert await wait_for(chat, Pairing(code=CODE, ends=30), monotonic=ticking(10)) is None
    assert [wait_s for _, wait_s in chat.asked] == [10, 10, 10]


def test_a_code_is_new_each_time_and_can_not_be_guessed_in_its_life():
    made = {new_pairing(0).code for _ in range(50)}
    assert len(made) == 50
    assert len(LETTERS) ** 10 > 2**49
    assert all(set(code) <= set(LETTERS) and len(code) == 10 for code in made)
    assert new_pairing(100).ends == 100 + CODE_LIFE_S


def test_without_a_terminal_it_is_one_line_that_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n"))
    assert main(["init"]) == 2
    refused = capsys.readouterr().err
    assert (refused.count("\n"), ".env.example" in refused, "doctor" in refused) == (1, True, True)


def test_an_answer_is_on_the_disk_at_once_for_its_owner_alone(tmp_path):
    """Through a link too; the environment that overrules the file is told."""
    real, link = tmp_path / "real.env", tmp_path / ".env"
    real.write_text("A=1\n")
    real.chmod(0o644)
    link.symlink_to(real)
    answers = Answers(link, {"A": "other"})
    answers.keep(B="2")
    assert real.read_text() == "A=1\nB=2\n"
    assert real.stat().st_mode & 0o777 == 0o600
    assert link.is_symlink()
    assert answers.overruled() == ["A"]
    assert answers.env(B="3") == {"A": "other", "B": "3"}
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".tmp"] == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (("k" * 36, "s" * 180, "12345678-01"), ""),
        (("k" * 36, "s" * 180, "1234567801"), ""),
        (("k" * 35, "s" * 180, "12345678-01"), "35"),
        (("k" * 36, "s" * 179, "12345678-01"), "179"),
        (("k" * 36, "s" * 180, "12345678"), "12345678-01"),
        (("k" * 36, "s" * 180, "1234-567801"), "12345678-01"),
    ],
)
def test_keys_of_the_wrong_shape_are_told_before_anybody_is_asked(keys, words):
    told = wrong_shape(*keys)
    assert words in told
    assert bool(words) is bool(told)


def test_a_masked_secret_shows_its_end_only_where_it_is_long():
    assert masked("123456:ABCDEFGH") == "••••EFGH"
    assert masked("short") == "••••"


@pytest.mark.parametrize("code", ["EGW00103", "EGW02007", "IGW00002", "EGW00133", "40910000", "EGW00201", "LOST", "?"])
def test_every_refusal_has_something_to_do(code):
    assert " / " in advice(code)


SENT = {
    "update_id": 5,
    "message": {"from": {"id": 7001, "first_name": "Kim"}, "chat": {"type": "private"}, "text": "x"},
}


@pytest.mark.parametrize(
    "change",
    [
        {"chat": {"type": "supergroup"}},
        {"from": {"id": 7001, "is_bot": True}},
        {"from": {"id": -5}},
        {"from": None},
        {"chat": None},
        {"text": None},
        {"text": 5},
    ],
)
def test_only_what_a_person_writes_in_private_can_be_the_code(change):
    """Not a group's message, not a bot's, nothing of an odd shape."""
    assert _private(SENT) == Written(update_id=5, user_id=7001, name="Kim", text="x")
    assert _private({**SENT, "message": {**SENT["message"], **change}}) is None
    assert _private({"update_id": 5, "edited_message": SENT["message"]}) is None
