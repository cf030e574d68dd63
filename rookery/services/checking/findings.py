"""What a check of the store tells of."""

import msgspec


class WrongReference(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A count that is not the length of its list, a row that should not be, or one that is missing.

    `what` is the count, the list, or a sentence about the pair of `id` and `other`.
    """

    owner: str
    """`user` or `tweet`: what `id` is of."""
    id: int
    what: str
    other: int | None = None
    counted: int = 0
    listed: int = 0


class Checked(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many of a stage were looked at, and what was found since the last one."""

    stage: str
    checked: int
    wrong: list[WrongReference] = []
