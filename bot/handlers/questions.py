"""Presses on a question's card. The bot knows which card a button belongs to, the trader decides what it does."""

from telegram import Update

from bot.context import AppContext, answer
from bot.handlers import ask
from bot.keyboards import decode
from bot.question import command_of
from bot.views import questions as views
from bot.views.replies import stale_button


async def pressed(update: Update, context: AppContext) -> None:
    """`u:<nonce>:<answer>`, only on the card that carries this nonce."""
    query = update.callback_query
    press = decode(query.data if query else None, count=2)
    questions = context.desk.questions
    post = await questions.find(press.args[0]) if press else None
    message = query.message if query else None
    if press is None or post is None or message is None or not post.shows(message.chat.id, message.message_id):
        await answer(query, stale_button(context.t), alert=True)
        return
    chosen = press.args[1]
    command = command_of(post.model, chosen, str(context.who))
    if command is None or not post.model.open:
        await answer(query, views.toast(post.model, context.t), alert=True)
        return
    reply, waiting = await ask.press(update, context, command)
    if reply is None:
        return
    questions.take(post, chosen, reply)
    calm = post.model.stage in views.QUIET_TOASTS
    if waiting:
        await answer(query, views.toast(post.model, context.t), alert=not calm)
    elif not calm:
        await context.say(update, views.told_late(post.model, context.t))
    await questions.show(post)
