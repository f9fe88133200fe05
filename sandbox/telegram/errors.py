"""The one exception of the Bot API sandbox, with Telegram's own words for each refusal."""

from typing import Any


class ApiError(Exception):
    """A refusal as Telegram sends it: HTTP status, description and optional parameters."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        """Keep what the envelope shows; `retry_after` is in seconds."""
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after

    def envelope(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.retry_after is not None:
            body["parameters"] = {"retry_after": self.retry_after}
        return body


class SimError(Exception):
    """A person-side request that makes no sense; the message goes back as HTTP 400."""


def bad_request(words: str) -> ApiError:
    """400, the common refusal."""
    return ApiError(400, f"Bad Request: {words}")


def forbidden(words: str) -> ApiError:
    """403: the person does not want to hear from the bot."""
    return ApiError(403, f"Forbidden: {words}")


def conflict(words: str) -> ApiError:
    """409: another poller or a webhook."""
    return ApiError(409, f"Conflict: {words}")


NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
OTHER_POLLER = "terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK_ACTIVE = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
QUERY_TOO_OLD = "query is too old and response timeout expired or query ID is invalid"
WRONG_FILE = "wrong file identifier/HTTP URL specified"
