"""`./seohak totp`: enrolment that is proven before it counts, a file that only its owner reads, and bad input."""

import argparse
import builtins
from pathlib import Path

import pyotp
import pytest

from cli import totp
from config.secondfactor import read_secret, secret_path, write_secret

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(totp, "environment", dict)
    monkeypatch.setattr(totp, "base", lambda _: argparse.Namespace(state_dir=tmp_path / "state"))
    return tmp_path / "state"


def types(monkeypatch: pytest.MonkeyPatch, *answers: object) -> None:
    """What is typed at each question; a function is called, nothing left is the end of the input."""
    left = list(answers)

    def answer(_question: str = "") -> str:
        if not left:
            raise EOFError
        given = left.pop(0)
        return str(given() if callable(given) else given)

    monkeypatch.setattr(builtins, "input", answer)


def totp_of(what: str) -> int:
    return totp.run(argparse.Namespace(what=what))


def enrolling(monkeypatch: pytest.MonkeyPatch, *answers: object) -> int:
    monkeypatch.setattr(pyotp, "random_base32", lambda: SECRET)
    types(monkeypatch, *answers)
    return totp_of("enrol")


def test_a_secret_counts_once_a_code_of_it_was_typed(state, monkeypatch, capsys):
    assert enrolling(monkeypatch, "000 000", lambda: pyotp.TOTP(SECRET).now()) == 0
    assert read_secret(state) == SECRET
    assert secret_path(state).stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().out.count(SECRET) == 1
    assert totp_of("status") == 0
    shown = capsys.readouterr()
    assert "enrolled" in shown.out
    assert SECRET not in shown.out + shown.err


def test_three_wrong_codes_leave_nothing_behind(state, monkeypatch):
    assert enrolling(monkeypatch, "1", "abc", "") == 1
    assert not state.exists() or not list(state.iterdir())


def test_a_second_enrolment_does_not_replace_the_first(state, monkeypatch, capsys):
    write_secret(state, SECRET)
    assert enrolling(monkeypatch) == 1
    assert "totp off" in capsys.readouterr().err
    assert read_secret(state) == SECRET


@pytest.mark.parametrize("what", ["enrol", "off"])
def test_without_a_terminal_it_says_so_and_changes_nothing(state, monkeypatch, capsys, what):
    if what == "off":
        write_secret(state, SECRET)
    types(monkeypatch)
    assert totp_of(what) == 1
    assert "terminal" in capsys.readouterr().err
    assert (read_secret(state) if what == "off" else None) == (SECRET if what == "off" else None)


@pytest.mark.parametrize(("typed", "code", "left"), [("yes", 0, None), ("y", 1, SECRET), ("", 1, SECRET)])
def test_off_takes_a_typed_yes(state, monkeypatch, typed, code, left):
    write_secret(state, SECRET)
    types(monkeypatch, typed)
    assert totp_of("off") == code
    assert read_secret(state) == left


def test_off_and_status_without_enrolment(state, capsys):
    assert totp_of("off") == totp_of("status") == 0
    assert capsys.readouterr().out.count("not enrolled") == 2


@pytest.mark.parametrize("held", ["", "not base32!", "ABCD", "시크릿", "A" * 31])
def test_a_file_that_holds_no_secret_is_named_and_off_removes_it(state, monkeypatch, capsys, held):
    write_secret(state, SECRET)
    secret_path(state).write_text(held, encoding="utf-8")
    with pytest.raises(OSError, match="holds no secret"):
        read_secret(state)
    assert totp_of("status") == 1
    assert str(secret_path(state)) in capsys.readouterr().err
    types(monkeypatch, "yes")
    assert totp_of("off") == 0
    assert read_secret(state) is None


def test_a_file_that_others_may_read_is_refused(state, capsys):
    write_secret(state, SECRET)
    secret_path(state).chmod(0o644)
    assert totp_of("status") == 1
    assert "chmod 600" in capsys.readouterr().err
