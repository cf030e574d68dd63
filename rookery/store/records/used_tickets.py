"""Tickets that have opened their stream: each may do so once, in whichever process."""

from rookery.store.engine import Insert, Operation
from rookery.store.schema import USED_TICKETS

KEPT_MS = 60_000
"""How long a ticket is remembered after its end, for clocks that differ."""


def use(number: str, expires_ms: int) -> Operation:
    """Use the ticket; the batch fails with the label ``used_tickets`` if it was used before."""
    return Insert(USED_TICKETS.name, {"number": number, "expires_ms": expires_ms + KEPT_MS})
