"""Which shard owns which user: virtual shards, placed by rendezvous hashing.

Pure. Users are hashed to `VIRTUAL_SHARDS` virtual shards, which are what moves when shards come
and go; each goes to the shard with the highest score for it, so a newcomer takes only its own
share and nobody else's place changes (Thaler and Ravishankar, "Using name-based mappings to
increase hit rates", 1998).
"""

from collections.abc import Sequence
from hashlib import blake2b

VIRTUAL_SHARDS = 1024
_MIX = 0x9E3779B97F4A7C15


def virtual_shard(user_id: int) -> int:
    """The virtual shard of a user: Fibonacci hashing, since Snowflakes' low bits are not random."""
    return ((user_id * _MIX) & 0xFFFF_FFFF_FFFF_FFFF) >> 54


def _score(virtual: int, shard: str) -> bytes:
    return blake2b(f"{virtual}/{shard}".encode(), digest_size=8).digest()


class ShardMap:
    """An assignment of all virtual shards to the shards of one cluster. Immutable."""

    def __init__(self, shards: Sequence[str], version: int = 1) -> None:
        if not shards:
            raise ValueError("a shard map needs at least one shard")
        self.version = version
        self.shards = tuple(shards)
        self._owners = tuple(
            max(self.shards, key=lambda shard: _score(virtual, shard))
            for virtual in range(VIRTUAL_SHARDS)
        )

    def owner(self, user_id: int) -> str:
        """The name of the shard that owns a user."""
        return self._owners[virtual_shard(user_id)]
