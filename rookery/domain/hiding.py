"""What the warm users of a shard hide: whom and which conversations they mute, and whom they block.

Pure. As `rookery.domain.adjacency`, from the reader's side: for each id the rows that hide it.
Authors that a row hides are no authors of its timeline in the first place, so this is asked only
where a tweet brings somebody else's, or is part of a conversation.
"""

from collections.abc import Iterable

from rookery.domain.adjacency import Adjacency


class Hiding:
    """`mutes` holds ids of users and conversations, `blocks` ids of users, in either direction.

    `is_empty` says that no row hides anything. Rows that hide nothing cost nothing.
    """

    __slots__ = ("blocks", "is_empty", "mutes")

    def __init__(self) -> None:
        self.mutes = Adjacency()
        self.blocks = Adjacency()
        self.is_empty = True

    def replace(self, row: int, muted: Iterable[int], blocked: Iterable[int]) -> None:
        """Let `row` hide exactly these from now on."""
        for adjacency, ids in ((self.mutes, set(muted)), (self.blocks, set(blocked))):
            if ids:
                adjacency.enter(row, ids)
            else:
                adjacency.drop(row)
        self.is_empty = not self.mutes and not self.blocks

    def drop(self, row: int) -> None:
        """Forget a row."""
        if not self.is_empty:
            self.replace(row, (), ())

    def hides_user(self, row: int, user_id: int) -> bool:
        """Whether `row` mutes or blocks a user."""
        return self.mutes.has(row, user_id) or self.blocks.has(row, user_id)
