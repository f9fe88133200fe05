"""The trader's orders by id, with those that may still fill at hand."""

from collections.abc import Iterable

from core.model.order import Intent


class Intents(dict[str, Intent]):
    """Finished orders stay for days and are many; the live ones are asked for at every step and are few."""

    def __init__(self, intents: Iterable[Intent] = ()) -> None:
        super().__init__()
        self.live: dict[str, Intent] = {}
        for intent in intents:
            self[intent.id] = intent

    def __setitem__(self, key: str, intent: Intent) -> None:
        """Insert or replace an order."""
        super().__setitem__(key, intent)
        if intent.live:
            self.live[key] = intent
        else:
            self.live.pop(key, None)

    def __delitem__(self, key: str) -> None:
        """Forget an order."""
        super().__delitem__(key)
        self.live.pop(key, None)

    def clear(self) -> None:
        """Forget all orders."""
        super().clear()
        self.live.clear()
