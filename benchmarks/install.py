"""Follows the guide's own shell blocks from a fresh clone in an empty folder: `python -m benchmarks.install`.

Needs the network for packages. What needs root or a person is left out and named: the machine's packages, and the questions
of `init`, whose answers are written to .env with the addresses of the clone's own sandbox.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
MARKED = re.compile(r"^<!-- install: (\w+) -->\n```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
# in the order in which a person meets them
STEPS = ("system", "clone", "check", "start", "stop")
OURS = ("SEOHAK_", "KIS_", "POLYGON_", "MASSIVE_", "TELEGRAM_")
OWNER = "7001"
ORIGIN = "2026-11-18T19:37:00+00:00"
PATIENCE_S = 1200


class Step(msgspec.Struct, kw_only=True):
    """One block of the guide and what came of it; `code` is None where it was left out."""

    name: str
    commands: list[str]
    code: int | None = None
    seconds: float = 0.0
    output: str = ""


class Installed(msgspec.Struct, kw_only=True):
    """The way through the guide."""

    guide: str
    python: str = ""
    steps: list[Step] = []

    @property
    def failed(self) -> Step | None:
        return next((step for step in self.steps if step.code), None)


def blocks_of(guide: Path) -> list[tuple[str, str]]:
    """The marked blocks of a guide, in order; raises ValueError where one is missing or out of order."""
    found = MARKED.findall(guide.read_text(encoding="utf-8"))
    names = list(dict.fromkeys(name for name, _ in found))
    if names != list(STEPS):
        raise ValueError(f"{guide}: the marked blocks are {names}, not {list(STEPS)}")
    return found


def bare_environment() -> dict[str, str]:
    """What the machine has, without anything of ours."""
    left_out = {"REDIS_URL", "DATABASE_URL", "PYTHONPATH", "VIRTUAL_ENV"}
    return {k: v for k, v in os.environ.items() if not k.startswith(OURS) and k not in left_out}


def follow(step: Step, script: str, place: Path, env: dict[str, str]) -> Path:
    """Run a block as typed, and return where it left us."""
    where = place / ".left-at"
    began = time.monotonic()
    done = subprocess.run(  # noqa: S603 - the guide's own words are what is tried
        ["/bin/bash", "-e", "-c", f'{script}\npwd > "$LEFT_AT"'],
        cwd=place,
        env=env | {"LEFT_AT": str(where)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE_S,
        check=False,
    )
    step.code, step.seconds = done.returncode, round(time.monotonic() - began, 1)
    step.output = done.stdout.decode(errors="replace")
    left_at = Path(where.read_text().strip()) if where.exists() else place
    where.unlink(missing_ok=True)
    return left_at


@contextlib.contextmanager
def sandbox(clone: Path, env: dict[str, str]) -> Iterator[dict[str, object]]:
    """The clone's own sandbox, as its ready line describes it."""
    command = [str(clone / ".venv" / "bin" / "python"), "-m", "sandbox", "--scenario", "calm"]
    with subprocess.Popen(command, cwd=clone, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def write_answers(clone: Path, ready: dict[str, object]) -> None:
    """What `init` would have been told and found out."""
    keys = ready["credentials"]
    assert isinstance(keys, dict)
    answers = {
        "TELEGRAM_BOT_TOKEN": keys["telegram_token"],
        "TELEGRAM_OWNER_IDS": OWNER,
        "TELEGRAM_API_URL": f"http://{ready['telegram']}",
        "POLYGON_API_KEY": keys["polygon_key"],
        "POLYGON_WS_URL": f"ws://{ready['polygon']}/stocks",
        "POLYGON_REST_URL": f"http://{ready['polygon']}",
        "KIS_MASTER_URL": f"http://{ready['kis']}",
    }
    path = clone / ".env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in answers.items()), encoding="utf-8")


def install(repository: str, guide: Path, place: Path, last: str) -> Installed:
    """Walk through the guide in `place`, an empty folder, until `last` is done or something fails."""
    told = Installed(guide=guide.name)
    env = bare_environment() | {
        "SEOHAK_CLOCK_ORIGIN": ORIGIN,
        "SEOHAK_CLOCK_STARTED": repr(time.time()),
        "SEOHAK_CLOCK_SPEED": "1",
    }
    at = place
    with contextlib.ExitStack() as stack:
        for name, block in blocks_of(guide):
            step = Step(name=name, commands=block.strip().splitlines())
            told.steps.append(step)
            if name == "system":
                continue
            if name == "start":
                # nothing of it may outlive a failure
                stack.callback(follow, Step(name="stop", commands=[]), "./seohak down --yes || true", at, env)
            at = follow(step, block.replace("ADDRESS", repository), at, env)
            if told.failed or name == last:
                break
            if name == "clone":
                told.python = (at / ".venv" / "bin" / "python").resolve().name
                write_answers(at, stack.enter_context(sandbox(at, env)))
    return told


def shown(told: Installed) -> str:
    """The way for a terminal."""
    lines = []
    for step in told.steps:
        mark = "left out: needs root" if step.code is None else "ok" if step.code == 0 else f"FAILED ({step.code})"
        lines += [f"── {step.name}: {mark} ({step.seconds} s)", *(f"   $ {command}" for command in step.commands)]
        lines += [f"     {line}" for line in step.output.splitlines()[-40:]]
    return "\n".join(lines)


def main() -> int:
    """0 where the guide leads to a running system and back."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", default=str(ROOT), help="what is cloned (this repository)")
    parser.add_argument("--guide", type=Path, default=ROOT / "docs" / "guide.md")
    parser.add_argument("--until", choices=STEPS[1:], default=STEPS[-1], help="the last step")
    parser.add_argument("--keep", action="store_true", help="leave the folder where it is")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="seohak-install-"))
    try:
        told = install(options.repository, options.guide, place, options.until)
    finally:
        if not options.keep:
            shutil.rmtree(place, ignore_errors=True)
    sys.stdout.write((msgspec.json.encode(told).decode() if options.json else shown(told)) + "\n")
    return 1 if told.failed else 0


if __name__ == "__main__":
    sys.exit(main())
