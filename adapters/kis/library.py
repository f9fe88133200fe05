"""python-kis's object: account, keys and sessions; its own request loop is never called."""

from pykis import KisAuth, PyKis  # type: ignore[import-untyped]

from adapters.kis.auth import KisCredentials


def open_library(credentials: KisCredentials, *, paper: bool) -> PyKis:
    """python-kis's object. It always wants a real key: in paper without one it gets the paper key and is never asked."""
    own = KisAuth(
        id=credentials.hts_id,
        appkey=credentials.appkey,
        secretkey=credentials.appsecret,
        account=credentials.account,
        virtual=paper,
    )
    quotes = KisAuth(
        id=credentials.hts_id,
        appkey=credentials.quote_appkey or credentials.appkey,
        secretkey=credentials.quote_appsecret or credentials.appsecret,
        account=credentials.account,
        virtual=False,
    )
    try:
        # PyKis itself must not fail: its destructor would complain about what its constructor did not reach
        checked = (own.key, own.account_number, quotes.key)
        assert all(checked)
        return PyKis(quotes, own, use_websocket=False) if paper else PyKis(own, use_websocket=False)
    except ValueError:
        # python-kis's own message repeats the account number
        raise ValueError(
            "KIS credentials: the key has 36 characters, the secret 180, the account is 12345678-01"
        ) from None
