"""What the sessions of one server have met, for its figures."""

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Counts that all sessions of a server add to."""

    merged: int = 0
    gaps: int = 0
    duplicates: int = 0
    resets: int = 0
