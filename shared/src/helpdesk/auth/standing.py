"""Who may act now (ADR 7): what a token proves, in the light of what has happened to its person since."""

from dataclasses import dataclass, replace
from datetime import datetime

from helpdesk.auth.tokens import Principal
from helpdesk.folds.user import Standing


@dataclass(frozen=True, slots=True)
class Known:
    """What a service knows by now of a tenant, and of somebody in it: no role, where it knows nothing of them."""

    closed: bool
    role: str | None = None
    enabled: bool | None = None
    valid_from: datetime | None = None
    sessions_from: datetime | None = None

    @property
    def standing(self) -> Standing | None:
        """The person's; None: nothing is known."""
        if self.role is None:
            return None
        return Standing(self.role, self.enabled is not False, self.valid_from, self.sessions_from)


def judged(token: Principal, known: Standing | None) -> Principal | None:
    """Who calls, with the rights of now; None when the token has ended.

    Nothing known, or nothing later than the token: its signed role holds, so that a fresh account works everywhere at
    once. Times are whole milliseconds.
    """
    if known is None or known.valid_from is None or known.valid_from <= token.issued_at:
        return token
    ended = known.sessions_from is not None and token.issued_at < known.sessions_from
    if ended or not known.enabled:
        return None
    return replace(token, role=known.role)
