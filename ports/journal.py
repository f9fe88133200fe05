"""The trader's own durable memory: one writer, local, independent of every other service."""

from collections.abc import Sequence
from typing import Protocol

from core.model.journal import AddFill, AddTrip, Change, DropPosition, Emit, PutPosition, Snapshot

Outgoing = Emit | AddFill | AddTrip | PutPosition | DropPosition


class JournalConflict(Exception):
    """A uniqueness rule refused the transaction: this decision was already taken. Nothing was written."""


class Journal(Protocol):
    """Every commit is durable before it returns; what people should hear of waits in an outbox."""

    def load(self) -> Snapshot:
        """Read the state to start from."""
        ...

    def commit(self, changes: Sequence[Change]) -> None:
        """Write all changes in one transaction. Raises JournalConflict."""
        ...

    def outbox(self, limit: int) -> Sequence[tuple[int, Outgoing]]:
        """The oldest undelivered items with their sequence numbers."""
        ...

    def waiting(self) -> int:
        """How many outbox items are not delivered yet."""
        ...

    def delivered(self, upto: int) -> None:
        """Forget outbox items up to and including a sequence number."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...
