"""`./seohak guardian`: what the guardian says of itself, asking it to give the watch back, and a rehearsal."""

import argparse
import json
import sys
import time

from config.environment import base, environment
from services.fence import request_handback
from services.guardian_drill import drill
from services.guardian_files import read_json

FRESH_S = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--handback", action="store_true", help="감시를 매매봇에 돌려주게 합니다 / give the watch back")
    what.add_argument("--drill", action="store_true", help="가짜 증권사로 훈련합니다 / rehearse against a local fake")
    parser.add_argument("--json", action="store_true", help="기계용 출력 / for machines")


def run(options: argparse.Namespace) -> int:
    """Say what the guardian does now, or ask it for something."""
    if options.drill:
        return _drill(as_json=options.json)
    state_dir = base(environment()).state_dir
    found = read_json(state_dir / "beats" / "guardian")
    beat = found if isinstance(found, dict) else {}
    age_s = time.monotonic() - float(str(beat.get("mono", "-inf")))
    alive = 0 <= age_s <= FRESH_S
    if options.handback:
        if not alive:
            print("감시견이 실행 중이 아닙니다 / the guardian does not run: start ./seohak up", file=sys.stderr)
            return 1
        request_handback(state_dir)
        print("요청했습니다. 매매봇이 살아 있으면 곧 넘겨받습니다. / asked; a living trader takes over at once")
        return 0
    facts = {"alive": alive, "in_charge": beat.get("in_charge") == "True", "keeps": beat.get("keeps") == "True"}
    if options.json:
        print(json.dumps(facts))
    elif not alive:
        print("감시견: 실행 중이 아님 / not running")
    elif facts["in_charge"]:
        print("감시견: 매매봇 대신 손절을 지키는 중 / in charge of the stops in the trader's place")
    else:
        print("감시견: 대기 중, 매매봇이 지킵니다 / standing by, the trader guards")
    return 0 if alive else 1


def _drill(*, as_json: bool) -> int:
    result = drill()
    if as_json:
        print(json.dumps(result))
    else:
        checks = result["checks"]
        assert isinstance(checks, dict)
        for name, passed in checks.items():
            print(f"{'✓' if passed else '✗'} {name.replace('_', ' ')}")
        print(f"{'통과 / passed' if result['ok'] else '실패 / failed'} ({result['seconds']} s)")
    return 0 if result["ok"] else 1
