"""A place in a user's log of live events. Pure."""

import re

import msgspec

_TEXT = re.compile(r"([0-9]{1,18}):(.{1,40})", re.DOTALL)


class Position(msgspec.Struct, frozen=True):
    """Everything up to `offset` of `epoch` has been seen.

    Keep ``str(position)`` somewhere to go on from there in another process.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.offset}:{self.epoch}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """The position that `text` was made of.

        Raises:
            ValueError: it is not the text of one.
        """
        found = _TEXT.fullmatch(text)
        if found is None or not found[1].isascii():
            raise ValueError(f"not a stream position: {text[:60]!r}")
        return cls(found[2], int(found[1]))
