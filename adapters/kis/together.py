"""Questions that are asked while the same one is on its way: one call to KIS answers all of them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from ports.broker import Urgency

T = TypeVar("T")


class Together(Generic[T]):
    """Of one question. Several finds in one second would else use up the second's calls before the first order leaves."""

    def __init__(self) -> None:
        self._running: dict[Urgency, asyncio.Task[T]] = {}

    async def ask(self, urgency: Urgency, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer of a call that is on its way and at least as urgent, else of this one.

        Who stops waiting does not take the answer away from the others.
        """
        under_way = [task for rank, task in self._running.items() if rank <= urgency]
        return await asyncio.shield(under_way[0] if under_way else self._begin(urgency, question()))

    def _begin(self, urgency: Urgency, call: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = self._running[urgency] = asyncio.create_task(call)
        task.add_done_callback(lambda _: self._running.pop(urgency))
        return task
