"""The button codec: what goes out comes back, nothing else comes in, never more than 64 bytes; one-time tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.keyboards import LIMIT, Act, decode, encode
from bot.nonces import LIFETIME_S, MOST, Nonces
from core.model.messages import message_id

PART = st.text("abcdefXYZ0123456789_.-", max_size=15)


@given(st.sampled_from(Act), st.lists(PART, max_size=3))
def test_round_trip(act, args):
    data = encode(act, *args)
    assert len(data.encode()) <= LIMIT
    press = decode(data)
    assert press is not None
    assert (press.act, press.args) == (act, tuple(args))


@given(st.text(max_size=80))
def test_anything_may_come_in(data):
    press = decode(data)
    assert press is None or encode(press.act, *press.args) == data


def test_a_full_plan_id_and_nonce_fit():
    assert decode(encode(Act.APPROVE, message_id("plan"), "0123456789abcdef"), count=2) is not None


@pytest.mark.parametrize("args", [("a:b",), ("한글",), ("x" * 49,), ("x" * 40, "y" * 40)])
def test_what_a_button_cannot_carry_is_refused(args):
    with pytest.raises(ValueError, match="button"):
        encode(Act.APPROVE, *args)


@pytest.mark.parametrize("data", [None, "", "zz:1", "a", "a:1", "a:1:2:3", "a:1:2\n", "A:1:2", "a:" + "x" * 70])
def test_forged_data_is_nothing(data):
    assert decode(data, count=2) is None


def test_a_token_works_once_for_its_owner_in_time():
    now = [0.0]
    nonces = Nonces(lambda: now[0])
    token = nonces.issue(1, "sell", "NVDA")
    assert nonces.take(2, token) is None
    assert nonces.take(1, token) == ("sell", "NVDA")
    assert nonces.take(1, token) is None
    late = nonces.issue(1, "sell")
    now[0] = LIFETIME_S + 1
    assert nonces.take(1, late) is None


def test_tokens_are_bounded():
    nonces = Nonces()
    first = nonces.issue(1, "x")
    for _ in range(MOST):
        nonces.issue(1, "y")
    assert nonces.take(1, first) is None
