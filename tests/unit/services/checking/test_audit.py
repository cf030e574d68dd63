"""Warm timelines against the store."""

from collections.abc import Sequence

from rookery.messages import WarmTimeline
from rookery.models import PostKind
from rookery.services.checking.audit import Audit, Finding
from rookery.store.engine import Put, WriteBatch
from rookery.store.schema import FOLLOWEES, POSTS
from tests.unit.memory_store import MemoryStore

READER, AUTHOR = 1, 2


class Warm:
    """One warm timeline that holds these posts."""

    def __init__(self, *posts: tuple[int, int]) -> None:
        self.posts = sorted(posts, reverse=True)

    async def warm_users(self) -> list[int]:
        return [READER]

    async def inspect(self, user_ids: Sequence[int]) -> list[WarmTimeline | None]:
        return [WarmTimeline(self.posts, 0, [READER, AUTHOR], True) for _ in user_ids]

    async def rebuild(self, user_ids: Sequence[int]) -> None:
        raise AssertionError("nothing was to be repaired")


async def findings(warm: Warm, visible: set[int]) -> list[Finding]:
    """What is wrong, where the author posted 10 for everybody and 11 to 13 for some."""
    store = MemoryStore()
    edge = {"follower_id": READER, "followee_id": AUTHOR, "follow_id": 1}
    posts = [
        Put(POSTS.name, {"author_id": AUTHOR, "tweet_id": tweet_id, "kind": kind})
        for tweet_id, kind in ((10, 0), *((n, int(PostKind.RESTRICTED)) for n in (11, 12, 13)))
    ]
    await store.write(WriteBatch((Put(FOLLOWEES.name, edge), *posts)))

    async def may_watch(user_id: int, ids: Sequence[int]) -> set[int]:
        assert user_id == READER
        return visible & set(ids)

    async def settle() -> None:
        return None

    audit = Audit(store, warm, may_watch, settle)
    found: list[Finding] = []
    async for progress in audit.run(repair=False):
        found += progress.findings
    return found


async def test_what_is_not_for_a_reader_need_not_be_in_the_timeline() -> None:
    """It may be, as after a rebuild, and it may be missing, as after a delivery."""
    kind = int(PostKind.RESTRICTED)
    assert await findings(Warm((10, 0), (11, kind)), visible={11}) == []


async def test_what_is_for_the_reader_must_be_there() -> None:
    """Restricted or not."""
    [finding] = await findings(Warm((12, int(PostKind.RESTRICTED))), visible={11, 12})
    assert finding.missing == [10, 11]
    assert finding.is_fault
