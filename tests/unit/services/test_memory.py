"""What a process has freed goes back to the machine."""

import platform
import subprocess
import sys

import pytest

KEPT_BY_THE_HEAP = """
from services.memory import give_back, keep_little, pss_mb
keep_little()
blocks = [b"x" * (64_000 + n) for n in range(1_000)]
last = blocks[-1]
full = pss_mb()
del blocks
before = pss_mb()
give_back()
print(full - before > 5 or before - pss_mb() > 40, full - pss_mb() > 50)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these")
def test_what_lies_between_used_memory_is_given_back() -> None:
    ended = subprocess.run([sys.executable, "-c", KEPT_BY_THE_HEAP], capture_output=True, text=True, check=False)
    assert ended.stdout.split() == ["True", "True"], ended.stderr


def test_elsewhere_than_on_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    from services.memory import give_back, keep_little

    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    keep_little()
    give_back()
