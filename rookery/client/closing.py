"""What to do after the server has closed a stream. Pure.

The rule behind the codes (``docs/protocol.md``): 44xx is the client's own doing and would happen
again, unless listed here; everything else passes.
"""

from enum import Enum


class Action(Enum):
    """RECONNECT: after a short wait. LATER: after a long one. REFRESH: with a new token. STOP."""

    RECONNECT = "reconnect"
    LATER = "later"
    REFRESH = "refresh"
    STOP = "stop"


UNAUTHENTICATED = 4401
TOKEN_EXPIRED = 4402
DEVICE_REVOKED = 4403
FORBIDDEN = 4404

_PASSING = frozenset({4408, 4410})  # too slow; heartbeat timeout
_PROTOCOL = frozenset({1002, 1003, 1007, 1008, 1009, 1010})


def action_after(code: int) -> Action:
    """What close code `code`, received from the server, asks for; 1006 stands for none."""
    if code == TOKEN_EXPIRED:
        return Action.REFRESH
    if code == 4429:
        return Action.LATER
    if code in _PROTOCOL or (4400 <= code < 4500 and code not in _PASSING):
        return Action.STOP
    return Action.RECONNECT


def close_code_of(status: int, code: str) -> int | None:
    """The close code that a refusal over HTTP corresponds to; None where trying again may help.

    `code` is the stable code of the error body.
    """
    if status in (408, 425, 429) or status >= 500:
        return None
    if status == 401:
        return {"token_expired": TOKEN_EXPIRED, "device_revoked": DEVICE_REVOKED}.get(
            code, UNAUTHENTICATED
        )
    return FORBIDDEN if status == 403 else status
