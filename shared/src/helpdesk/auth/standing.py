"""Who may act now (ADR 7): what a token proves, in the light of what has happened to its person since."""

from dataclasses import replace

from helpdesk.auth.tokens import Principal
from helpdesk.folds.user import Standing


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
