"""Broken promises, by what became of what was promised."""

from enum import StrEnum

import msgspec


class Sort(StrEnum):
    LOST = "lost"
    """Acknowledged, and not there."""
    DOUBLED = "doubled"
    """There, or told, twice."""
    LEAKED = "leaked"
    """Shown or let in although it must not be: deleted, unfollowed, logged out, never written."""
    WRONG = "wrong"
    """Out of order, miscounted, inconsistent."""
    STALE = "stale"
    """Shown as it was before a change."""


class Fault(msgspec.Struct, frozen=True):
    sort: Sort
    text: str


def lost(text: str) -> Fault:
    return Fault(Sort.LOST, text)


def doubled(text: str) -> Fault:
    return Fault(Sort.DOUBLED, text)


def leaked(text: str) -> Fault:
    return Fault(Sort.LEAKED, text)


def wrong(text: str) -> Fault:
    return Fault(Sort.WRONG, text)


def stale(text: str) -> Fault:
    return Fault(Sort.STALE, text)
