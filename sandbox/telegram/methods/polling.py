"""deleteWebhook, setWebhook, getWebhookInfo: this server delivers by getUpdates only."""

from sandbox.telegram.errors import bad_request
from sandbox.telegram.model import Json
from sandbox.telegram.params import Params
from sandbox.telegram.state import TelegramState


def delete_webhook(state: TelegramState, params: Params) -> bool:
    """Back to getUpdates; the flag to drop pending updates is honoured."""
    state.webhook = ""
    if params.flag("drop_pending_updates"):
        state.updates.pending.clear()
    return True


def set_webhook(state: TelegramState, params: Params) -> bool:
    """An empty address removes the webhook; any other is refused, since nothing would be delivered to it."""
    if params.text("url"):
        raise bad_request("bad webhook: the sandbox delivers by getUpdates only")
    return delete_webhook(state, params)


def get_webhook_info(state: TelegramState, _params: Params) -> Json:
    """Where another program wants its updates delivered, if any, and how many wait."""
    info: Json = {
        "url": state.webhook,
        "has_custom_certificate": False,
        "pending_update_count": len(state.updates.pending),
    }
    if state.updates.allowed:
        info["allowed_updates"] = sorted(state.updates.allowed)
    return info


METHODS = {"deleteWebhook": delete_webhook, "setWebhook": set_webhook, "getWebhookInfo": get_webhook_info}
