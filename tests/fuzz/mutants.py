"""Seeded mutations of valid documents and bytes, and the loop that names the input which broke a promise."""

import json
import logging
import os
import random
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INPUTS = int(os.environ.get("SEOHAK_FUZZ_INPUTS", "6000"))
SEED = int(os.environ.get("SEOHAK_FUZZ_SEED", "20261118"))
SHOWN, MOST_KINDS = 800, 8

NUMBERS = (
    0, -1, 1, 5, -0.0, 0.5, 1.5, 1e-9, 1e15, 1e308, -1e308, 5e-324, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**30,
    10**40, 20_261_118, 1_795_000_000_000, 253_402_300_800_000,
)  # fmt: skip
TEXTS = (
    "", " ", "0", "-0", "-1", "1", "5", "1.5", "0.0001", "NaN", "nan", "sNaN", "-NaN12", "Infinity", "-inf", "1e308",
    "1E+400", "1e-400", "9" * 40, "9" * 500, "1,234", "1,2,34", ",", "1_000", "0x10", "１２３", "٣", "½", "²", "+5",
    "--5", "5-", ".", ".5", "5.", "000005", "5 0", "5\0", "\0", "\n", "\r\nX: y", "\u202e", "é", "한글", "🙂", "﻿5",
    "None", "null", "true", "02", "01", "거부", "99999999", "20261399", "00000000", "24:61", "NASD", "NYSE", "SEHK",
    "2026-11-18 10:00:00", "2026-11-18T10:00:00", "2026-11-18T10:00:00Z", "9999-12-31T23:59:59Z",
    "9999-12-31 23:59:59", "0001-01-01T00:00:00Z", "'; DROP TABLE", "../../etc", "${x}", "%s", "x" * 5000,
)  # fmt: skip
SPECIAL = (None, True, False, float("nan"), float("inf"), float("-inf"))
BLOCKS = (b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800", b"[" * 40, b"{}", b'"', b",", b"NaN", b"\n")


def node(rng: random.Random) -> object:
    """Anything JSON can hold, and a little more."""
    pick = rng.random()
    if pick < 0.5:
        return rng.choice(TEXTS)
    if pick < 0.75:
        return rng.choice(NUMBERS)
    if pick < 0.85:
        return rng.choice(SPECIAL)
    if pick < 0.9:
        return deep(rng, rng.choice((2, 60)))
    return rng.choice(([], {}, [[]], [{}], {"": ""}, ["x", 1], {"a": {"b": None}}, [None]))


def deep(rng: random.Random, levels: int) -> object:
    """Lists and objects inside each other."""
    found: object = rng.choice(TEXTS)
    for _ in range(levels):
        found = [found] if rng.random() < 0.5 else {"a": found}
    return found


def _scalar(rng: random.Random, value: object) -> object:
    """A value near to the one that was there, or anything."""
    if isinstance(value, str) and rng.random() < 0.4:
        at = rng.randrange(len(value) + 1)
        return rng.choice(
            (value[:at], value[at:], value + value, "-" + value, f" {value} ", value + "\0", value.lower(), value + ".5",
             value[:at] + rng.choice("0９,._-e \u00e9") + value[at:], value[::-1])
        )  # fmt: skip
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.4:
        return rng.choice((-value, value + 1, value * 10, str(value), value / 3, [value]))
    return node(rng)


def _object(rng: random.Random, found: dict[str, object]) -> object:
    """Another object: keys gone, added, swapped or renamed; or no object any more."""
    keys = list(found)
    match rng.randrange(7) if keys else 6:
        case 0:
            gone = rng.choice(keys)
            return {k: v for k, v in found.items() if k != gone}
        case 1:
            a, b = rng.choice(keys), rng.choice(keys)
            return {**found, a: found[b], b: found[a]}
        case 2:
            return {**found, str(rng.choice(TEXTS)): node(rng)}
        case 3:
            old = rng.choice(keys)
            return {(k.upper() if k == old else k): v for k, v in found.items()}
        case 4:
            return dict.fromkeys(found, "")
        case 5:
            return [found]
        case _:
            return node(rng)


def _array(rng: random.Random, found: list[object]) -> object:
    """Another list: items gone, repeated, shuffled or blank; or no list any more."""
    if not found:
        return [node(rng)]
    at = rng.randrange(len(found))
    match rng.randrange(6):
        case 0:
            return found[:at] + found[at + 1 :]
        case 1:
            return found[: at + 1] + found[at:]
        case 2:
            return rng.sample(found, len(found))
        case 3:
            return [*found[:at], node(rng), *found[at:]]
        case 4:
            return found[at]
        case _:
            return node(rng)


def mutate(rng: random.Random, found: object) -> object:
    """The document with one thing changed somewhere; what is not touched is shared with the original."""
    if isinstance(found, dict):
        if found and rng.random() < 0.85:
            key = rng.choice(list(found))
            return {**found, key: mutate(rng, found[key])}
        return _object(rng, found)
    if isinstance(found, list | tuple):
        items = list(found)
        if items and rng.random() < 0.85:
            at = rng.randrange(len(items))
            return [*items[:at], mutate(rng, items[at]), *items[at + 1 :]]
        return _array(rng, items)
    return _scalar(rng, found)


def mutated(rng: random.Random, found: object, most: int = 3) -> object:
    """The document with none (one in ten) to `most` things changed."""
    if rng.random() < 0.1:
        return found
    for _ in range(rng.randint(1, most)):
        found = mutate(rng, found)
    return found


def wire(found: object) -> bytes:
    """The document as JSON, with whatever JSON can't hold in the way that loose writers write it."""
    return json.dumps(found, ensure_ascii=False).encode("utf-8", errors="surrogatepass")


def damaged(rng: random.Random, data: bytes, chance: float = 0.3) -> bytes:
    """Sometimes with bytes flipped, cut, inserted, repeated or in another encoding."""
    if rng.random() >= chance:
        return data
    at = rng.randrange(len(data) + 1)
    match rng.randrange(8):
        case 0 if at < len(data):
            return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data[at:]
        case 3:
            return data[:at] + rng.choice(BLOCKS) + data[at:]
        case 4:
            return data[:at] + data[at + rng.randrange(1, 9) :]
        case 5:
            return data + data[at:]
        case 6:
            return data.decode(errors="replace").encode(rng.choice(("utf-16", "utf-8-sig", "cp949")), errors="replace")
        case _:
            return rng.randbytes(rng.randrange(64))


def rounds(name: str, inputs: int = INPUTS) -> Iterator[tuple[int, random.Random]]:
    """A generator of its own for each input, so that one failing input can be had again by its seed alone."""
    for number in range(inputs):
        seed = f"{SEED}:{name}:{number}"
        yield number, random.Random(seed)


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines: tens of thousands of warnings about nonsense would be most of the work."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def fuzz(name: str, check: Callable[[random.Random, list[object]], None], inputs: int = INPUTS) -> None:
    """Run `check` for each input; it notes what it feeds in its second argument, which is shown when it fails.

    All inputs run; the first of each kind of failure is shown.
    """
    kinds: dict[str, str] = {}
    failed = 0
    with quiet():
        for number, rng in rounds(name, inputs):
            notes: list[object] = []
            try:
                check(rng, notes)
            except Exception as error:
                failed += 1
                place = traceback.extract_tb(error.__traceback__)[-1]
                kind = f"{type(error).__name__} {place.filename}:{place.lineno}"
                if kind not in kinds and len(kinds) < MOST_KINDS:
                    kinds[kind] = _story(name, number, error, notes)
    if kinds:
        stories = "\n\n".join(kinds.values())
        raise AssertionError(f"{failed} of {inputs} inputs of {name!r} broke a promise\n\n{stories}")


def _story(name: str, number: int, error: Exception, notes: list[object]) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    shown = "\n".join(repr(note)[:SHOWN] for note in notes)
    again = f"SEOHAK_FUZZ_SEED={SEED}, input {number} of {name!r}"
    return f"{type(error).__name__}: {error}\n{place.filename}:{place.lineno} in {place.name}\n{again}\n{shown}"
