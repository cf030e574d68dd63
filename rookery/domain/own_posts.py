"""Posts that their authors see in their own homes before the fan-out has brought them there.

Pure. Beside the rings, not in them: a ring takes what comes in the order of ids for granted, and
these come a little before what is older.
"""

CAPACITY = 16_384


class OwnPosts:
    """The posts that are on their way, by author. Falsy when there is none.

    Each leaves when it is delivered. At most `capacity` are held; beyond that the oldest author's
    go first, and show when they are delivered.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._posts: dict[int, dict[int, int]] = {}
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._posts)

    def __len__(self) -> int:
        return self._count

    def add(self, author_id: int, tweet_id: int, kind: int) -> None:
        """Hold a post, with its `PostKind` bits."""
        posts = self._posts.setdefault(author_id, {})
        if tweet_id not in posts:
            posts[tweet_id] = kind
            self._count += 1
        while self._count > self._capacity:
            self.forget(next(iter(self._posts)))

    def discard(self, author_id: int, tweet_id: int) -> None:
        """Let a post go that was delivered, or is deleted."""
        posts = self._posts.get(author_id)
        if posts is not None and posts.pop(tweet_id, None) is not None:
            self._count -= 1
            if not posts:
                del self._posts[author_id]

    def forget(self, author_id: int) -> None:
        """Let all of an author's go."""
        self._count -= len(self._posts.pop(author_id, ()))

    def kinds(self, author_id: int) -> dict[int, int]:
        """The `PostKind` bits of an author's, by tweet id."""
        return dict(self._posts.get(author_id, {}))

    def of(self, author_id: int, before: int, mask: int) -> list[int]:
        """An author's below `before` (0: all) that have one of the bits of `mask` (0: all)."""
        posts = self._posts.get(author_id)
        if posts is None:
            return []
        return [
            tweet_id
            for tweet_id, kind in posts.items()
            if (not before or tweet_id < before) and (not mask or kind & mask)
        ]
