"""The figures of mutation testing: every mutant counts, and a run that did not end gives none."""

import json
from pathlib import Path

import pytest

from benchmarks import mutation
from benchmarks.mutation import GROUPS, ROOT, Group, MutationTrouble, Score, document, prepare, scores, table, together

GROUP = Group(name="g", modules=("core/rules/risk.py", "core/rules/exit.py"), tests=("tests/unit/core/test_risk_*.py",))
FOUND = {
    "core.rules.risk.x_budget__mutmut_1": "killed",
    "core.rules.risk.x_budget__mutmut_2": "timeout",
    "core.rules.risk.x_budget__mutmut_3": "survived",
    "core.rules.risk.x_budget__mutmut_4": "no tests",
    "core.rules.exit.x_decide_exit__mutmut_1": "segfault",
    "core.rules.exit.x_decide_exit__mutmut_2": "suspicious",
}


def test_what_no_test_noticed_or_reached_has_survived() -> None:
    risk, leave = scores(GROUP, FOUND)
    assert (risk.name, risk.mutants, risk.killed, risk.survived, risk.pct) == ("core/rules/risk.py", 4, 2, 2, 50.0)
    assert (leave.name, leave.mutants, leave.killed, leave.survived) == ("core/rules/exit.py", 2, 1, 1)


@pytest.mark.parametrize("status", ["not checked", "check was interrupted by user"])
def test_a_run_that_did_not_end_gives_no_figures(status: str) -> None:
    with pytest.raises(MutationTrouble, match="1 mutants of g"):
        scores(GROUP, FOUND | {"core.rules.exit.x_decide_exit__mutmut_3": status})


def test_a_group_is_scored_over_all_its_mutants_and_not_over_its_modules() -> None:
    parts = [Score(name="a", mutants=90, killed=90), Score(name="b", mutants=10, killed=0)]
    assert together("g", parts) == Score(name="g", mutants=100, killed=90)
    assert Score(name="empty", mutants=0, killed=0).pct == 0.0


def test_the_same_figures_for_people_and_for_programs() -> None:
    results = {"g": scores(GROUP, FOUND)}
    last = table(results).splitlines()[-1].split()
    assert last == ["=", "g", "6", "3", "3", "50.0", "%"]
    assert json.loads(document(results))["groups"]["g"]["all"] == {
        "mutants": 6,
        "killed": 3,
        "survived": 3,
        "score_pct": 50.0,
        "least_pct": 18.8,
    }


def test_a_sample_is_judged_by_the_least_that_it_shows() -> None:
    """Wilson's 95 % interval: 90 of 100 is at least 82.6 %, and nothing is shown by nothing."""
    assert round(Score(name="a", mutants=100, killed=90).least_pct, 1) == 82.6
    assert round(Score(name="a", mutants=600, killed=570).least_pct, 1) == 93.0
    assert Score(name="a", mutants=0, killed=0).least_pct == 0.0


def test_the_draw_is_repeatable_and_takes_no_more_than_there_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mutation, "statuses", lambda _script, _folder: FOUND)
    script = Path("/bin/true")
    assert mutation.drawn(script, tmp_path, 3, 1) == mutation.drawn(script, tmp_path, 3, 1)
    assert len(set(mutation.drawn(script, tmp_path, 3, 1))) == 3
    assert sorted(mutation.drawn(script, tmp_path, 60, 1)) == sorted(FOUND)
    monkeypatch.setattr(mutation, "statuses", lambda _script, _folder: {})
    with pytest.raises(MutationTrouble, match="no mutants"):
        mutation.drawn(script, tmp_path, 3, 1)


@pytest.mark.parametrize("text", ["0", "-3", "many"])
def test_a_sample_of_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["mutation", "--sample", text])
    with pytest.raises(SystemExit) as ended:
        mutation.main()
    assert ended.value.code == 2


def test_the_run_works_on_a_copy_with_the_groups_tests_only(tmp_path: Path) -> None:
    (tmp_path / "mutants").mkdir()
    prepare(GROUP, tmp_path)
    written = (tmp_path / "setup.cfg").read_text()
    assert "source_paths=\n    core/rules/risk.py\n    core/rules/exit.py\n" in written
    assert "pytest_add_cli_args_test_selection=\n    tests/unit/core/test_risk_rules.py\n" in written
    assert (tmp_path / "core" / "rules" / "risk.py").read_bytes() == (ROOT / "core" / "rules" / "risk.py").read_bytes()
    assert not list(tmp_path.glob(".*")), "neither secrets nor environments"
    assert not (tmp_path / "mutants").exists(), "nothing of an earlier run"


def test_a_module_or_a_test_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MutationTrouble, match=r"no/such\.py"):
        prepare(Group(name="g", modules=("no/such.py",), tests=GROUP.tests), tmp_path)
    with pytest.raises(MutationTrouble, match="no_such_test"):
        prepare(Group(name="g", modules=GROUP.modules, tests=("tests/no_such_test.py",)), tmp_path)


@pytest.mark.parametrize("group", [g for groups in GROUPS.values() for g in groups], ids=lambda g: g.name)
def test_every_module_and_every_pattern_of_the_groups_is_there(group: Group) -> None:
    assert [m for m in group.modules if not (ROOT / m).is_file()] == []
    assert [t for t in group.tests if not list(ROOT.glob(t))] == []


def test_without_mutmut_one_line_says_how_to_get_it(monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("sys.argv", ["mutation"])
    assert mutation.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'mutmut>=3.8,<4'" in line


def test_a_folder_inside_the_working_tree_is_refused() -> None:
    with pytest.raises(MutationTrouble, match="inside the working tree"), mutation.workplace(ROOT / "mutants"):
        pass
    assert not (ROOT / "mutants").exists()
