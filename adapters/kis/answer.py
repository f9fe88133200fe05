"""An answer of KIS, understood as far as any answer can be."""

import msgspec

from adapters.kis import codes


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What KIS answered: HTTP status, JSON body, whether pages follow (tr_cont F or M), and its code without secrets."""

    status: int
    body: dict[str, object]
    code: str
    tr_cont: str = ""

    def __repr__(self) -> str:
        return f"Answer(status={self.status}, code={self.code!r})"

    @property
    def text(self) -> str:
        """KIS's words, unscrubbed."""
        return str(self.body.get("msg1") or self.body.get("error_description") or "").strip()

    @property
    def ok(self) -> bool:
        """Whether KIS did what it was asked."""
        return self.status == 200 and str(self.body.get("rt_cd", "")).strip() == "0"

    @property
    def token_dead(self) -> bool:
        """Whether KIS refused the token; a failure without a code that we know is told by its words."""
        if self.code in codes.TOKEN_DEAD:
            return True
        return not self.ok and codes.reason_of(self.code) is None and codes.speaks_of_token(self.status, self.text)
