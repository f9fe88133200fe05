"""`./seohak data` as a person runs it: import, list, verify, with words and exit codes that say what happened."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.__main__ import main

ROOT = Path(__file__).resolve().parents[3]
HEAD = "ticker,time,open,high,low,close,volume\n"
GOOD = "A,1736173800,10,12,9,11,100\nNA,1736173860,10,12,9,11,100\n"
BAD = "A,1736173920,10,8,9,11,100\n"


@pytest.fixture
def seohak(tmp_path, monkeypatch, capsys):
    """Run a command in this process; (exit code, stdout, stderr)."""
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SEOHAK_ENV_FILE", str(tmp_path / "no.env"))

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["data", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f.csv"
    path.write_text(HEAD + GOOD + BAD)
    return path


def test_import_list_and_verify_from_the_terminal(tmp_path: Path, file: Path) -> None:
    """In a process of its own, as `./seohak` starts it."""
    env = {**os.environ, "SEOHAK_STATE_DIR": str(tmp_path / "state"), "SEOHAK_ENV_FILE": str(tmp_path / "no.env")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli", "data", *arguments]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    done = run("import", str(file), "--label", "start")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "1 file: 1 imported",
        "3 rows: 2 stored, 0 there already, 1 refused",
        "  refused 1: impossible prices",
        f"file and row of each: {tmp_path / 'state' / 'bars' / 'rejects'}",
        f"store: {tmp_path / 'state' / 'bars'}",
    ]
    done = run("verify", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["problems"] == []


def test_the_result_for_machines(seohak, file, tmp_path):
    code, out, _ = seohak("import", file, "--label", "start", "--store", tmp_path / "s", "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["rows"], facts["stored"], facts["refused"]) == (3, 2, {"prices": 1})
    assert facts["files"][0]["source"]["report"].endswith(".csv")
    code, out, _ = seohak("list", "--store", tmp_path / "s", "--json")
    assert json.loads(out)["days"]["2025-01-06"]["rows"] == 2
    assert code == 0
    assert json.loads(seohak("list", "--store", tmp_path / "s", "--first", "2025-01-07", "--json")[1])["days"] == {}


def test_what_is_missing_is_asked_for_in_one_line(seohak, file):
    code, out, err = seohak("import", file)
    assert code == 2
    assert "--label start or --label end" in err
    assert err.count("\n") == 1
    assert "1 file: 1 failed" in out


def test_strict_is_exit_code_1_and_stores_nothing(seohak, file):
    code, _, err = seohak("import", file, "--label", "start", "--strict")
    assert (code, err.count("\n")) == (1, 1)
    assert "nothing stored, because of 1 prices" in err
    assert "no bars" in seohak("list")[1]


def test_a_folder_with_one_bad_file_imports_the_others(seohak, file, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.csv.gz").write_bytes(gzip.compress((HEAD + GOOD).encode())[:-9])
    (folder / "b.csv").write_text(HEAD + GOOD)
    (folder / "notes.md").write_text("x")
    code, out, err = seohak("import", folder, "--label", "start")
    assert code == 1
    assert "1 failed, 1 imported" in out
    assert "1 other files in the folders were left alone" in out
    assert "a.csv.gz is cut off" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["import", "/nowhere/f.csv", "--label", "start"], "not a file"),
        (["import", "FILE", "--label", "start", "--columns", "time"], "--columns looks like"),
        (["import", "FILE", "--label", "start", "--columns", "price=x"], "is none of"),
        (["import", "FILE", "--label", "start", "--timezone", "Seoul"], "time zone like"),
        (["import", "EMPTY", "--label", "start"], "no file to import"),
        (["verify"], "is not there"),
        (["download", "--flat-files", "--first", "2025-01-06", "--last", "2025-01-06"], "POLYGON_S3_ACCESS_KEY"),
        (["download", "--tickers", "A", "--first", "2025-01-06", "--last", "2025-01-06"], "POLYGON_API_KEY"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(seohak, file, tmp_path, monkeypatch, arguments, words):
    for name in ("POLYGON_API_KEY", "MASSIVE_API_KEY", "POLYGON_S3_ACCESS_KEY", "POLYGON_S3_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "empty").mkdir()
    named = {"FILE": file, "EMPTY": tmp_path / "empty"}
    code, _, err = seohak(*(named.get(a, a) for a in arguments))
    assert (code, err.count("\n")) == (2, 1)
    assert words in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "f", "--label", "middle"],
        ["list", "--first", "yesterday"],
        ["download", "--first", "2025-01-06"],
        ["download", "--flat-files", "--tickers", "A", "--first", "2025-01-06"],
        ["frobnicate"],
        [],
    ],
)
def test_wrong_options_are_exit_code_2(seohak, arguments):
    with pytest.raises(SystemExit) as caught:
        seohak(*arguments)
    assert caught.value.code == 2


def test_a_damaged_day_is_exit_code_1(seohak, file, tmp_path):
    seohak("import", file, "--label", "start")
    path = tmp_path / "state" / "bars" / "days" / "2025-01-06.parquet"
    path.write_bytes(b"PAR1")
    code, out, err = seohak("verify")
    assert (code, out) == (1, "")
    assert "import its files again" in err


def test_a_store_that_cant_be_written_is_one_line(seohak, file, tmp_path):
    (tmp_path / "blocked").write_text("a file")
    code, _, err = seohak("import", file, "--label", "start", "--store", tmp_path / "blocked" / "s")
    assert (code, err.count("\n")) == (2, 1)
