"""The bot in a group: nobody's press or command does anything there, and only the presser hears why."""

import pytest
from bot_world import EVE, OWNER

from sandbox.telegram.person import Tap, Where, forward, send_text, tap

CLUB = -1002026112801


@pytest.mark.parametrize("who", [OWNER, EVE])
async def test_an_approval_forged_in_a_group_is_refused(bot, who):
    card = await bot.card()
    copy = forward(bot.state, OWNER, card.message_id, where=Where(CLUB))["message_id"]
    tap(bot.state, who, Tap(copy, data="a:plan1:n1", forge=True), CLUB)
    group = bot.state.chats[CLUB]
    await bot.until(lambda: group.answers)
    assert (group.answers[0]["user"], group.answers[0]["text"]) == (who, "권한이 없습니다")
    assert bot.trader.commands == []


async def test_an_anonymous_administrators_command_is_met_with_silence(bot):
    send_text(bot.state, OWNER, "/panic@seohak_demo_bot", where=Where(CLUB, anonymous=True))
    await bot.until(lambda: bot.chat.audits)
    await bot.say("/version")
    assert not [
        message for message in bot.state.chats[CLUB].messages.values() if message.from_bot and not message.service
    ]
    assert "Panic" not in [type(command).__name__ for command in bot.trader.commands]
