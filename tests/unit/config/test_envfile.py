"""Changing .env in place: what a person wrote stays as it was."""

import io

import pytest
from dotenv import dotenv_values

from config.envfile import updated, written
from config.environment import ROOT

FILE = """# keys
A=1 # the first

export B='two # not a remark'
not a line at all
C=
A=3\t# the last counts
"""


def test_a_name_that_stands_there_changes_in_its_line_and_everything_else_stays():
    assert updated(FILE, {"A": "9", "B": "zwei", "C": "x", "D": "new"}) == (
        "# keys\nA=1 # the first\n\nexport B=zwei\nnot a line at all\nC=x\nA=9\t# the last counts\nD=new\n"
    )


def test_a_file_without_an_end_of_line_gets_one_before_what_is_added():
    assert updated("A=1", {"B": "2"}) == "A=1\nB=2\n"
    assert updated("", {"B": "2"}) == "B=2\n"


@pytest.mark.parametrize(
    "value", ["plain", "a b", "it's", 'a"b', "a#b #c", "back\\slash", "", "$HOME", "ab+/==", "한글"]
)
def test_a_value_is_read_back_as_it_was_written(value):
    """Also after a second change."""
    text = updated(updated("X=1\nA='old'\n", {"A": value}), {"X": "2"})
    assert dotenv_values(stream=io.StringIO(text), interpolate=False) == {"X": "2", "A": value}


def test_a_value_of_several_lines_is_refused():
    with pytest.raises(ValueError, match="one line"):
        updated("", {"A": "1\nB=2"})


def test_only_names_with_a_value_count_as_written():
    assert written("A=\nB=1\nC\n") == {"B": "1"}


def test_the_projects_own_template_takes_every_key():
    text = updated(
        (ROOT / ".env.example").read_text(encoding="utf-8"), {"TELEGRAM_BOT_TOKEN": "1:a", "KIS_ACCOUNT": "2"}
    )
    assert written(text) == {"TELEGRAM_BOT_TOKEN": "1:a", "KIS_ACCOUNT": "2"}
    assert text.count("KIS_ACCOUNT=") == 1
