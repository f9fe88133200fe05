"""A person in the chat of a running world: says things, presses buttons, and sees what comes back."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from system_world import Json, Live, T, body, buttons, until

PATIENCE_S = 40.0


@dataclass
class Person:
    """One owner and the language they speak. `said` and `pressed` are the commands and button acts that were answered."""

    world: Live
    user: int
    locale: str
    said: set[str] = field(default_factory=set)
    pressed: set[str] = field(default_factory=set)

    async def says(self, text: str, expected: str, *, kind: str = "") -> Json:
        """Send a message and wait for an answer whose text has `expected` in it, as a `kind` (photo or document)."""
        number = await self.world.chat.say(text, self.user)

        async def answered() -> Json | None:
            for message in await self.world.chat.after(number, self.user):
                if re.search(expected, body(message)) and (not kind or message.get(kind)):
                    return message
            return None

        found = await self._until(f"{text}: an answer with {expected!r}", answered)
        assert found is not None
        if text.startswith("/"):
            self.said.add(text.split(maxsplit=1)[0][1:])
        return found

    async def presses(self, data: str, expected: str, *, on: str = "") -> str:
        """Press the newest button whose data begin with the pattern, on a message about `on`; returns what came of it.

        That is a toast, the message changed by the press, or a new one: the first that has `expected` in it.
        """
        message, pressed = await self._until(f"a button {data} of {on!r}", lambda: self._button(data, on))
        number, shown = message["message_id"], _face(message)
        toasts = len(await self.world.chat.answers(self.user))
        newest = (await self.world.chat.messages(self.user))[-1]["message_id"]
        await self.world.chat.tap(number, pressed, self.user)

        async def came() -> str:
            found = [a["text"] for a in (await self.world.chat.answers(self.user))[toasts:]]
            for each in await self.world.chat.messages(self.user):
                changed = each["message_id"] == number and _face(each) != shown
                if changed or (each["message_id"] > newest and not each.get("out")):
                    found.append(_face(each))
            return next((text for text in found if re.search(expected, text)), "")

        what = await self._until(f"pressed {pressed}: {expected!r}", came)
        self.pressed.add(pressed.split(":")[0])
        return what

    async def _until(self, what: str, look: Callable[[], Awaitable[T]]) -> T:
        """Wait, and tell what there was instead of what was waited for."""
        try:
            return await until(f"{self.user} {what}", look, seconds=PATIENCE_S)
        except AssertionError as trouble:
            seen = [_face(m) for m in await self.world.chat.messages(self.user)]
            trouble.add_note("\n---\n".join(seen[-6:]))
            raise

    async def _button(self, pattern: str, on: str) -> tuple[Json, str] | None:
        for message in reversed(await self.world.chat.messages(self.user)):
            for button in buttons(message):
                data = str(button.get("callback_data", ""))
                if re.match(pattern, data) and on in body(message):
                    return message, data
        return None

    async def texts(self) -> list[str]:
        """All words that the bot showed: messages with the labels of their buttons, and toasts."""
        shown = [_face(m) for m in await self.world.chat.messages(self.user) if not m.get("out")]
        return shown + [a["text"] for a in await self.world.chat.answers(self.user)]


def _face(message: Json) -> str:
    """A message as people see it; a picture by its file."""
    photo = message.get("photo") or [{}]
    labels = "\n".join(str(button["text"]) for button in buttons(message))
    return f"{body(message)}\n{labels}\n{photo[-1].get('file_unique_id', '')}"
