"""The trader's plans and orders by id, with those that are not over at hand."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Generic, TypeVar

from core.model.money import ZERO
from core.model.order import Intent, Side
from core.model.position import Plan

T = TypeVar("T", bound=Intent | Plan)


class Living(dict[str, T], Generic[T]):
    """What is over stays for days and is much; what is `live` is asked for at every step and is little."""

    def __init__(self, found: Iterable[T], lives: Callable[[T], bool]) -> None:
        super().__init__()
        self._lives = lives
        self.live: dict[str, T] = {}
        for each in found:
            self[each.id] = each

    def __setitem__(self, key: str, each: T) -> None:
        """Insert or replace."""
        super().__setitem__(key, each)
        if self._lives(each):
            self.live[key] = each
        else:
            self.live.pop(key, None)

    def __delitem__(self, key: str) -> None:
        """Forget one."""
        super().__delitem__(key)
        self.live.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        super().clear()
        self.live.clear()


def plans(found: Iterable[Plan] = ()) -> Living[Plan]:
    """Plans; those that may still buy are the live ones."""
    return Living(found, lambda plan: plan.open)


class Intents(Living[Intent]):
    """Orders; those that may still fill are the live ones."""

    def __init__(self, found: Iterable[Intent] = ()) -> None:
        # the ids of each plan's orders, and what its buys came to since the last change of one
        self._of_plan: dict[str, list[str]] = {}
        self._bought: dict[str, Decimal] = {}
        super().__init__(found, lambda intent: intent.live)

    def __setitem__(self, key: str, intent: Intent) -> None:
        """Insert or replace an order."""
        if key not in self:
            self._of_plan.setdefault(intent.plan_id, []).append(key)
        self._bought.pop(intent.plan_id, None)
        super().__setitem__(key, intent)

    def __delitem__(self, key: str) -> None:
        """Forget an order."""
        self._of_plan[self[key].plan_id].remove(key)
        self._bought.pop(self[key].plan_id, None)
        super().__delitem__(key)

    def clear(self) -> None:
        """Forget all orders."""
        super().clear()
        self._of_plan.clear()
        self._bought.clear()

    def buys(self, plan_id: str) -> list[Intent]:
        """A plan's buys, oldest first."""
        found = (self[key] for key in self._of_plan.get(plan_id, ()))
        return [intent for intent in found if intent.request.side is Side.BUY]

    def bought_usd(self, plan_id: str) -> Decimal:
        """What a plan's buys came to, without commission."""
        if plan_id not in self._bought:
            self._bought[plan_id] = sum((intent.filled_usd for intent in self.buys(plan_id)), ZERO)
        return self._bought[plan_id]
