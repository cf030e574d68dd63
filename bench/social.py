"""What people of a built world do to each other: retweets, quotes, hidden people, private accounts.

Users and tweets are known by their numbers, as in `bench.world`.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from rookery.store.engine import Operation
from rookery.store.records.blocks import block_operations
from rookery.store.records.mutes import Mute, mute_operations

RETWEETS, QUOTES = 0.3, 0.1
"""Of all tweets."""
PRIVATE = 0.1
"""Of all authors."""
MUTED_FOLLOWEES, MUTED_OTHERS, BLOCKED = 5, 5, 10
"""Whom each hides. Whom one blocks one does not follow."""
NOBODY: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Social:
    """`blocks` and `mutes` by who blocks or mutes, `blocked_by` by who is blocked; `retweets` and
    `quotes` give the number of the tweet that is shown by that of the one which shows it."""

    private: AbstractSet[int]
    blocks: Mapping[int, AbstractSet[int]]
    blocked_by: Mapping[int, AbstractSet[int]]
    mutes: Mapping[int, AbstractSet[int]]
    retweets: Mapping[int, int]
    quotes: Mapping[int, int]

    def hidden(self, user: int) -> AbstractSet[int]:
        """Whose tweets lists of `user` leave out."""
        in_blocks = self.blocks.get(user, NOBODY) | self.blocked_by.get(user, NOBODY)
        return in_blocks | self.mutes.get(user, NOBODY)


def draw(follows: Sequence[Sequence[int]], authors: Sequence[int], users: int) -> Social:
    """What the first `users` of a graph do to each other, in the proportions above.

    Only what is for everybody is shown again; nobody retweets the same tweet twice, nor somebody
    with whom they are in a block. `authors` are those of the tweets, oldest first.
    """
    rng = random.Random(users)
    near = _neighbours(follows, users)
    blocks: dict[int, set[int]] = {}
    blocked_by: dict[int, set[int]] = {}
    mutes: dict[int, set[int]] = {}
    for user in range(users):
        chosen = _strangers(rng, users, near[user] | {user})
        blocks[user] = set(chosen[:BLOCKED])
        muted = rng.sample(follows[user], MUTED_FOLLOWEES)
        mutes[user] = {*chosen[BLOCKED:], *muted}
        for other in blocks[user]:
            blocked_by.setdefault(other, set()).add(user)
    private = frozenset(rng.sample(range(users), round(users * PRIVATE)))
    retweets: dict[int, int] = {}
    quotes: dict[int, int] = {}
    public: list[int] = []
    done: set[tuple[int, int]] = set()
    for number, author in enumerate(authors):
        if author >= users:
            continue
        chance = rng.random()
        if public and chance < RETWEETS + QUOTES:
            shown = rng.choice(public)
            other = authors[shown]
            in_block = other in blocks[author] or author in blocks[other]
            if not in_block and (author, shown) not in done:
                done.add((author, shown))
                (retweets if chance < RETWEETS else quotes)[number] = shown
        if number not in retweets and author not in private:
            public.append(number)
    return Social(private, blocks, blocked_by, mutes, retweets, quotes)


def _neighbours(follows: Sequence[Sequence[int]], users: int) -> list[set[int]]:
    """Whom each follows, and who follows them."""
    near = [set(followees) for followees in follows[:users]]
    for user, followees in enumerate(follows[:users]):
        for followee in followees:
            near[followee].add(user)
    return near


def _strangers(rng: random.Random, users: int, near: AbstractSet[int]) -> list[int]:
    """As many as one hides of those whom one does not follow, in random order."""
    found: list[int] = []
    while len(found) < BLOCKED + MUTED_OTHERS:
        other = rng.randrange(users)
        if other not in near and other not in found:
            found.append(other)
    return found


def operations(social: Social, user_ids: Sequence[int], first_id: int) -> Iterator[Operation]:
    """What writes the blocks and mutes, numbered from `first_id` on."""
    for user, others in social.blocks.items():
        for other in sorted(others):
            first_id += 1
            yield from block_operations(user_ids[user], user_ids[other], first_id)
    for user, others in social.mutes.items():
        for other in sorted(others):
            first_id += 1
            mute = Mute(muter_id=user_ids[user], muted_id=user_ids[other], mute_id=first_id)
            yield from mute_operations(mute)
