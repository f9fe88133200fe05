"""Tokens at the sandbox: issued once, shared in a file, replaced when they die early; an order is never repeated for one."""

import json
import stat

import pytest

from adapters.kis import codes
from ports.broker import BrokerUnavailable, OrderRefused


async def test_the_token_is_issued_once_and_kept_in_a_private_file(venue):
    await venue.broker.holdings()
    await venue.broker.holdings()
    again = venue.connect()
    await again.holdings()
    assert venue.host.tokens.issues == 1
    (file,) = venue.token_dir.glob("kis-token-*.json")
    assert {stat.S_IMODE(path.stat().st_mode) for path in venue.token_dir.iterdir()} == {0o600}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(json.loads(file.read_text())) == {"text", "scheme", "expires_at"}


async def test_a_token_that_dies_early_is_replaced_for_queries(venue):
    await venue.broker.holdings()
    venue.host.tokens.revoke_all()
    venue.clock.advance(120)
    assert await venue.broker.holdings() == ()
    assert venue.host.tokens.issues == 2


async def test_an_order_with_a_dead_token_is_refused_and_the_next_one_has_a_new_token(venue):
    await venue.broker.holdings()
    venue.host.tokens.revoke_all()
    venue.clock.advance(120)
    with pytest.raises(OrderRefused) as refused:
        await venue.broker.place(venue.request())
    assert refused.value.code in codes.TOKEN_DEAD
    assert venue.posts() == 1
    await venue.broker.place(venue.request())
    assert venue.posts() == 2


async def test_tokens_are_asked_for_once_a_minute_at_most(venue):
    await venue.broker.holdings()
    for _ in range(3):
        venue.host.tokens.revoke_all()
        with pytest.raises(BrokerUnavailable):
            await venue.broker.holdings()
    with pytest.raises(OrderRefused) as refused:
        await venue.broker.place(venue.request())
    assert refused.value.code == codes.NOT_SENT
    assert venue.seen["POST", "/oauth2/tokenP"] == 1
    venue.clock.advance(62)
    assert await venue.broker.holdings() == ()


async def test_another_process_token_is_taken_over_from_the_file(venue):
    await venue.broker.holdings()
    other = venue.connect()
    await other.holdings()
    venue.host.tokens.revoke_all()
    venue.clock.advance(62)
    await other.holdings()
    await venue.broker.holdings()
    assert venue.host.tokens.issues == 2


async def test_a_token_is_renewed_before_it_expires(venue):
    await venue.broker.holdings()
    venue.clock.advance(24 * 3600 - 300)
    await venue.broker.holdings()
    assert venue.host.tokens.issues == 2
