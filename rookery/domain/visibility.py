"""Who may see what: the one place that decides it.

Pure. Facts are of a tweet, a viewer is whoever looks. What is *hidden* from a viewer may not be
seen on any path; what the viewer *muted* is left out of lists and pushes, and is there for whoever
asks for it.
"""

from collections.abc import Set as AbstractSet

import msgspec

PUBLIC, FOLLOWERS, MENTIONED = "public", "followers", "mentioned"
ACTIVE, SUSPENDED, DELETED = "active", "suspended", "deleted"
MODERATORS = frozenset({"moderator", "admin"})
"""The roles of those who see suspended accounts."""
NOBODY: frozenset[int] = frozenset()


def is_restricted(visibility: str, author_is_private: bool, author_status: str) -> bool:
    """Whether there is anybody, not blocked, who may not see such a tweet by such an author."""
    return visibility != PUBLIC or author_is_private or author_status != ACTIVE


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What decides who may see a tweet. `original` is that of a retweet, not of a quote."""

    author_id: int
    conversation_id: int
    visibility: str = PUBLIC
    author_is_private: bool = False
    author_status: str = ACTIVE
    mentioned: frozenset[int] = NOBODY
    original: "Facts | None" = None

    @property
    def is_restricted(self) -> bool:
        """Whether there is anybody, not blocked, who may not see it."""
        if self.original is not None and self.original.is_restricted:
            return True
        return is_restricted(self.visibility, self.author_is_private, self.author_status)

    @property
    def subject_ids(self) -> tuple[int, ...]:
        """What a viewer may hide it by: its authors, the original's too, and conversations."""
        own = (self.author_id, self.conversation_id)
        return own if self.original is None else (*own, *self.original.subject_ids)


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever looks; without a `user_id` somebody who is not signed in.

    `blocked`: users whom the viewer blocks, and who block the viewer. `muted`: users and
    conversations that the viewer muted, as of now. `followed`: those whom the viewer follows, as
    far as it was looked up; it must be for the authors of restricted tweets.
    """

    user_id: int | None = None
    is_moderator: bool = False
    blocked: AbstractSet[int] = NOBODY
    muted: AbstractSet[int] = NOBODY
    followed: AbstractSet[int] = NOBODY

    @property
    def hides_nothing(self) -> bool:
        """Whether only what is restricted needs a closer look."""
        return not self.blocked and not self.muted


def may_see(viewer: Viewer, facts: Facts) -> bool:
    """Whether `viewer` may see the tweet at all, by whatever path."""
    if facts.original is not None and not may_see(viewer, facts.original):
        return False
    if facts.author_status != ACTIVE:
        return viewer.is_moderator and facts.author_status == SUSPENDED
    if facts.author_id == viewer.user_id:
        return True
    if facts.author_id in viewer.blocked:
        return False
    if facts.visibility == PUBLIC and not facts.author_is_private:
        return True
    if viewer.user_id is None:
        return False
    if viewer.user_id in facts.mentioned:
        return True
    return facts.visibility != MENTIONED and facts.author_id in viewer.followed


def is_muted(viewer: Viewer, facts: Facts, asked_for: AbstractSet[int] = NOBODY) -> bool:
    """Whether a list leaves the tweet out for `viewer`, who may see it.

    `asked_for`: whose mute does not count here, as that of a user whose own timeline is read. What
    the viewer posted is never left out.
    """
    muted = viewer.muted
    if not muted or facts.author_id == viewer.user_id:
        return False
    return any(each in muted and each not in asked_for for each in facts.subject_ids)


def may_see_lists(viewer: Viewer, user_id: int, *, is_private: bool) -> bool:
    """Whether `viewer` may see a user's timeline, likes, followers and followees.

    The profile itself may be seen by everybody whom the user does not block.
    """
    return not is_private or user_id == viewer.user_id or user_id in viewer.followed


def may_be_retweeted(facts: Facts, user_id: int) -> bool:
    """Whether a user who may see the tweet may retweet or quote it."""
    return not facts.is_restricted or facts.author_id == user_id
