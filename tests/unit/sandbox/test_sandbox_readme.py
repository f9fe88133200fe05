"""The README's examples are requests that the control API takes, and every fault and toxic has one."""

import json
import re
from pathlib import Path

from sandbox import faults, toxics

README = (Path(__file__).parents[3] / "sandbox" / "README.md").read_text(encoding="utf-8")


def examples(key: str) -> list[dict]:
    """JSON objects in code spans and blocks that begin with the key."""
    return [json.loads(text) for text in re.findall(rf'\{{"{key}": .*?\}}(?=`|\n)', README)]


def test_every_fault_of_kis_has_an_example_that_parses():
    shown = examples("action")
    assert {fault["action"] for fault in shown} == set(faults.KIS)
    for fault in shown:
        assert faults.parse({"link": "kis_real"} | fault).action == fault["action"]


def test_every_toxic_has_an_example_that_parses():
    shown = examples("toxic")
    assert {toxic["toxic"] for toxic in shown} == set(toxics.KINDS)
    for toxic in shown:
        assert toxics.parse(toxic).name == toxic["toxic"]
