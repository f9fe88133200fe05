"""Mutation testing of what guards the money: how many small mistakes in it the unit tests notice."""

import argparse
import contextlib
import importlib.util
import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).resolve().parents[1]
GOAL_PCT: Final = 85.0
# A mutant may take so many times what its tests took before, and so much more: a busy machine must not count as a find.
PATIENCE, LEAST_S = 10.0, 4.0
# never into the copy: other environments, caches, and whatever a person keeps beside the code
LEFT_OUT: Final = (".*", "__pycache__", "state", "build", "*.egg-info", "caps.toml")
# a mutant that loops for ever, or kills the interpreter, is noticed too
NOTICED: Final = frozenset({"killed", "timeout", "segfault"})
# a pattern that no mutant's name fits
NO_MUTANT: Final = "none"
TRADE: Final = "core/stages/trade"


class MutationTrouble(Exception):
    """The run is not possible here; the text says what to do."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Modules that are judged together, and the tests (glob patterns) that must notice a mistake in them.

    `without` are single tests that can't run on mutated modules, because those import mutmut.
    """

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()


RULE_TESTS: Final = tuple(
    f"tests/unit/core/test_{name}_rules.py" for name in ("risk", "order", "share", "own", "money", "cap")
)
# test_trade_crash.py repeats one story at every commit: slow, and made for another question
TRADE_TESTS: Final = ("tests/unit/core/test_trade_[!c]*.py", "tests/unit/core/test_trade_co*.py")
GROUPS: Final = {
    "core": (
        Group(
            name="risk",
            modules=(
                *(f"core/rules/{name}.py" for name in ("risk", "shares", "exit", "pricing", "tranches")),
                "core/model/safety.py",
                f"{TRADE}/safety.py",
            ),
            tests=(*RULE_TESTS, *TRADE_TESTS),
        ),
        Group(
            name="intents",
            modules=(
                "core/rules/intents.py",
                "core/rules/reconcile.py",
                *(
                    f"{TRADE}/{name}.py"
                    for name in ("orders", "listing", "holdings", "manual", "gaps", "guarded", "fills")
                ),
            ),
            tests=(*RULE_TESTS, *TRADE_TESTS),
        ),
    ),
    "guardian": (
        Group(
            name="guardian",
            modules=(
                "services/guardian.py",
                *(f"services/guardian_{name}.py" for name in ("rules", "files", "session", "broker", "seller")),
                "services/fence.py",
                "services/protect.py",
            ),
            tests=(
                "tests/unit/services/test_guardian*.py",
                "tests/unit/services/test_fence*.py",
                "tests/unit/services/test_protect*.py",
                "tests/contract/broker/test_guardian_broker.py",
            ),
            without=("tests/unit/services/test_guardian_process.py::test_it_needs_nothing_but_the_standard_library",),
        ),
    ),
}


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How many mutants of a module, or of a group, the tests noticed; none is left out of the count."""

    name: str
    mutants: int
    killed: int

    @property
    def survived(self) -> int:
        """Mistakes that no test noticed, those that no test even reached included."""
        return self.mutants - self.killed

    @property
    def pct(self) -> float:
        """Noticed in percent of all."""
        return 100.0 * self.killed / self.mutants if self.mutants else 0.0

    @property
    def least_pct(self) -> float:
        """What the share in all mutants is at least where these were drawn from them: the lower end of Wilson's 95 % interval."""
        n, z = self.mutants, 1.96
        if not n:
            return 0.0
        share = self.killed / n
        middle, reach = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return 100.0 * (middle - reach) / (1 + z * z / n)


def tool() -> Path:
    """The mutmut of this interpreter's environment. Raises MutationTrouble."""
    script = Path(sys.executable).parent / "mutmut"
    if importlib.util.find_spec("mutmut") is None or not script.exists():
        raise MutationTrouble(
            f"mutmut is not installed here; `{sys.executable} -m pip install 'mutmut>=3.8,<4'`, then the same again"
        )
    return script


def prepare(group: Group, folder: Path) -> None:
    """Copy the project into `folder` and write the configuration of one run there; results of an earlier run go."""
    shutil.rmtree(folder / "mutants", ignore_errors=True)
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
    tests = sorted({str(path.relative_to(ROOT)) for pattern in group.tests for path in ROOT.glob(pattern)})
    if not tests:
        raise MutationTrouble(f"no tests match {', '.join(group.tests)}")
    missing = [module for module in group.modules if not (ROOT / module).is_file()]
    if missing:
        raise MutationTrouble(f"no such module, adapt GROUPS in benchmarks/mutation.py: {', '.join(missing)}")
    beside = sorted(path.name for path in folder.iterdir() if path.name != "setup.cfg")
    settings = {
        "source_paths": group.modules,
        "also_copy": beside,
        "pytest_add_cli_args_test_selection": tests,
        "pytest_add_cli_args": ("-p", "no:cacheprovider", *(f"--deselect={test}" for test in group.without)),
    }
    lines = ["[mutmut]", f"timeout_multiplier={PATIENCE}", f"timeout_constant={LEAST_S}"]
    for key, values in settings.items():
        lines += [f"{key}=", *(f"    {value}" for value in values)]
    (folder / "setup.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")


def statuses(script: Path, folder: Path) -> dict[str, str]:
    """What became of each mutant, by mutmut's own words."""
    done = subprocess.run(  # noqa: S603 - our own command line
        [script, "results", "--all", "true"], cwd=folder, capture_output=True, text=True, check=True
    )
    pairs = (line.strip().rpartition(": ") for line in done.stdout.splitlines() if ": " in line)
    return {name: status for name, _, status in pairs}


def scores(group: Group, found: dict[str, str]) -> list[Score]:
    """One score for each module, in the group's order. Raises MutationTrouble where a run did not get to its end."""
    by_module: dict[str, Counter[str]] = defaultdict(Counter)
    for name, status in found.items():
        by_module[name.rpartition(".")[0].replace(".", "/") + ".py"][status] += 1
    unfinished = sum(counts["not checked"] + counts["check was interrupted by user"] for counts in by_module.values())
    if unfinished:
        raise MutationTrouble(f"{unfinished} mutants of {group.name} were not tried; its output above says why")
    return [
        Score(
            name=module,
            mutants=by_module[module].total(),
            killed=sum(by_module[module][status] for status in NOTICED),
        )
        for module in group.modules
    ]


def together(name: str, parts: Sequence[Score]) -> Score:
    """The score of several modules as one."""
    return Score(name=name, mutants=sum(p.mutants for p in parts), killed=sum(p.killed for p in parts))


def drawn(script: Path, folder: Path, sample: int, seed: int) -> list[str]:
    """The names of `sample` mutants, each as likely as any other; all where there are no more. Raises MutationTrouble."""
    # mutmut writes all mutants before it looks for the named ones
    subprocess.run([script, "run", NO_MUTANT], cwd=folder, capture_output=True, check=False)  # noqa: S603 - our own command line
    names = sorted(statuses(script, folder))
    if not names:
        raise MutationTrouble(f"mutmut wrote no mutants into {folder}")
    return random.Random(seed).sample(names, min(sample, len(names)))  # noqa: S311 - a repeatable draw


def measure(script: Path, group: Group, folder: Path, options: argparse.Namespace) -> list[Score]:
    """Run one group; mutmut's progress goes to standard error. Raises MutationTrouble."""
    prepare(group, folder)
    names = drawn(script, folder, options.sample, options.seed) if options.sample else []
    done = subprocess.run(  # noqa: S603 - our own command line
        [script, "run", "--max-children", str(options.workers), *names], cwd=folder, stdout=sys.stderr, check=False
    )
    if done.returncode:
        raise MutationTrouble(f"mutmut ended with {done.returncode} for {group.name}; its output above says why")
    found = statuses(script, folder)
    return scores(group, {name: found[name] for name in names} if names else found)


@contextlib.contextmanager
def workplace(keep: Path | None) -> Iterator[Path]:
    """A folder outside the working tree: the given one, which stays, or a temporary one."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="seohak-mutation-") as made:
            yield Path(made)
        return
    if keep.resolve().is_relative_to(ROOT):
        raise MutationTrouble(f"{keep} is inside the working tree; name a folder outside of it")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep


def table(results: dict[str, list[Score]]) -> str:
    """The figures for a person, one line per module and one per group."""
    lines = [f"{'module':<40} {'mutants':>8} {'killed':>8} {'survived':>9} {'score':>8}"]
    for name, parts in results.items():
        lines += [
            f"{s.name:<40} {s.mutants:>8} {s.killed:>8} {s.survived:>9} {s.pct:>6.1f} %"
            for s in (*parts, together(f"= {name}", parts))
        ]
    return "\n".join(lines)


def document(results: dict[str, list[Score]]) -> str:
    """The same figures as JSON."""
    groups = {
        name: {
            s.name: {
                "mutants": s.mutants,
                "killed": s.killed,
                "survived": s.survived,
                "score_pct": round(s.pct, 1),
                "least_pct": round(s.least_pct, 1),
            }
            for s in (*parts, together("all", parts))
        }
        for name, parts in results.items()
    }
    return json.dumps({"measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "groups": groups}, indent=2)


def run(options: argparse.Namespace) -> int:
    """0 where every group reaches the goal, else 1. Raises MutationTrouble."""
    script = tool()
    wanted = GROUPS if options.modules == "all" else {options.modules: GROUPS[options.modules]}
    results: dict[str, list[Score]] = {}
    with workplace(options.keep) as folder:
        for group in (group for groups in wanted.values() for group in groups):
            results[group.name] = measure(script, group, folder / group.name, options)
    sys.stdout.write((document(results) if options.json else table(results)) + "\n")
    groups = [together(name, parts) for name, parts in results.items()]
    return 0 if all((g.least_pct if options.sample else g.pct) >= GOAL_PCT for g in groups) else 1


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def main() -> int:
    """`python -m benchmarks.mutation`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation", description=__doc__)
    parser.add_argument("--modules", choices=[*GROUPS, "all"], default="all", help="what to mutate")
    parser.add_argument("--json", action="store_true", help="figures as JSON instead of a table")
    parser.add_argument("--sample", type=_positive, metavar="N", help="only N mutants of each group, drawn by chance")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("--workers", type=int, default=2, help="mutants tried at the same time")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="work in DIR and leave it, for `mutmut results` and `mutmut show`"
    )
    try:
        return run(parser.parse_args())
    except MutationTrouble as error:
        sys.stderr.write(f"mutation: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
