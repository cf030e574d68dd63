"""Limits that strangers can tell have bitten, and what the log must say then.

A stranger sees an outcome, such as 429 or a connection that was cut. Whoever operates the server
must be able to see it as well: each row names the behaviours and outcomes that show the limit, and
the line that is to be found in the log, as a pattern over its JSON text.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.strangers.logs import Line

LINE = "limit reached"
"""The event of a line about a limit; its field `limit` names it, `times` says how often."""
SECURITY = "security"
"""The kind of lines about who was refused: `limit` names the limit, the first of a minute is told
as it is, the others with a `count`."""


def times_of(line: Line) -> int:
    """How often, by a line, a limit was reached; 0 for a line that does not say."""
    is_first = line.fields.get("kind") == SECURITY and line.event == "refused"
    times = line.fields.get("times", line.fields.get("count", 1 if is_first else 0))
    return times if isinstance(times, int) else 0


@dataclass(frozen=True)
class Bite:
    """A limit. Empty `behaviours` stand for all."""

    name: str
    outcomes: str
    """A pattern of the outcomes that show it."""
    limits: str
    """A pattern of the limit's name in the log."""
    behaviours: frozenset[str] = frozenset()

    def shown_by(self, outcomes: Mapping[tuple[str, str], int]) -> int:
        """How often strangers saw it."""
        return sum(
            count
            for (behaviour, outcome), count in outcomes.items()
            if (not self.behaviours or behaviour in self.behaviours)
            and re.fullmatch(self.outcomes, outcome)
        )

    def is_in(self, lines: Iterable[Line]) -> bool:
        """Whether a line tells of it, with a count."""
        return any(
            (line.event == LINE or line.fields.get("kind") == SECURITY)
            and re.search(self.limits, str(line.fields.get("limit", "")))
            and times_of(line) > 0
            for line in lines
        )


_LOG_INS = frozenset({"log-ins at one account", "log-ins at many accounts"})
_READS = frozenset({"nonsense in paths", "pipelined floods", "forged tokens"})
_HTTP_CROWDS = frozenset({"silent connections", "kept connections"})
_LIVE_CROWDS = frozenset({"silent WebSocket connections"})

# Log-ins and sign-ups count as writes of the address, too: whichever is used up first refuses them.
BITES = (
    Bite("attempts to log in", "429 .*", r"log_?ins|writes", _LOG_INS),
    Bite("sign-ups", "429 .*", r"sign_?ups|writes", frozenset({"sign-ups"})),
    Bite("requests of an address", "429 .*", r"reads|writes", _READS),
    Bite("hashing", "503 overloaded", r"password|hash", _LOG_INS | {"sign-ups"}),
    Bite("size of a head", "4(00|31) .*|cut", r"head", frozenset({"huge heads"})),
    Bite("size of a body", "4(00|13) .*|cut", r"body|bodies", frozenset({"endless bodies"})),
    Bite(
        "size of what is around a body",
        "4(00|13) .*|cut",
        r"trailer|framing|chunk|body|held",
        frozenset({"endless trailers", "endless chunk extensions", "chunks of one byte"}),
    ),
    Bite(
        "time of a request",
        "408.*",
        r"request_s|time|slow",
        frozenset({"dripped heads", "dripped bodies", "dripped trailers"}),
    ),
    Bite("connections of REST", "cut|refused|503.*", r"connections", _HTTP_CROWDS),
    Bite("connections of WebSockets", "cut|refused|503.*", r"connections|handshakes", _LIVE_CROWDS),
    Bite(
        "time of a handshake",
        "408.*",
        r"handshake",
        frozenset({"dripped handshakes", "silent WebSocket connections"}),
    ),
    Bite("sessions of a user", "4429", r"sessions", frozenset({"sessions by the hundred"})),
    Bite(
        "frames of a session",
        "4400",
        r"message|frame",
        frozenset({"floods of frames", "endless fragments"}),
    ),
    Bite(
        "size of a message",
        "1009",
        r"message|frame",
        frozenset({"bad frames", "endless fragments"}),
    ),
)


def unlogged(outcomes: Mapping[tuple[str, str], int], lines: Iterable[Line]) -> list[str]:
    """A fault for each limit that bit and that no line tells of."""
    known = list(lines)
    found = []
    for bite in BITES:
        seen = bite.shown_by(outcomes)
        if seen and not bite.is_in(known):
            found.append(
                f"the limit on {bite.name} bit {seen} times, and no line {LINE!r} names it"
                f" (limit matching {bite.limits!r}, with a count)"
            )
    return found
