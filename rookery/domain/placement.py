"""Which shard owns which user (virtual shards, placed by rendezvous hashing), and who takes part.

Pure. Users are hashed to `VIRTUAL_SHARDS` virtual shards, which are what moves when shards come
and go; each goes to the shard with the highest score for it, so a newcomer takes only its own
share and nobody else's place changes (Thaler and Ravishankar, "Using name-based mappings to
increase hit rates", 1998).
"""

from collections.abc import Collection, Sequence
from functools import cached_property
from hashlib import blake2b

import msgspec

VIRTUAL_SHARDS = 1024
STANDBYS = 5
_MIX = 0x9E3779B97F4A7C15


def virtual_shard(user_id: int) -> int:
    """The virtual shard of a user: Fibonacci hashing, since Snowflakes' low bits are not random."""
    return ((user_id * _MIX) & 0xFFFF_FFFF_FFFF_FFFF) >> 54


def _score(virtual: int, shard: str) -> bytes:
    return blake2b(f"{virtual}/{shard}".encode(), digest_size=8).digest()


class ShardMap:
    """An assignment of all virtual shards to the shards of one cluster. Immutable."""

    def __init__(self, shards: Sequence[str]) -> None:
        if not shards:
            raise ValueError("a shard map needs at least one shard")
        self.shards = tuple(shards)
        self._owners = tuple(
            max(self.shards, key=lambda shard: _score(virtual, shard))
            for virtual in range(VIRTUAL_SHARDS)
        )

    def owner(self, user_id: int) -> str:
        """The name of the shard that owns a user."""
        return self._owners[virtual_shard(user_id)]


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """Names of actors that there are several of."""

    shards: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    connection_servers: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return self.shards + self.gateways + self.connection_servers

    @property
    def surfaces(self) -> tuple[str, ...]:
        """Those that keep caches and must be told what to forget."""
        return self.gateways + self.connection_servers

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many shards, gateways and connection servers."""
        return len(self.shards), len(self.gateways), len(self.connection_servers)

    def without(self, names: Collection[str]) -> "Members":
        def kept(of: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(name for name in of if name not in names)

        return Members(
            shards=kept(self.shards),
            gateways=kept(self.gateways),
            connection_servers=kept(self.connection_servers),
        )

    def __add__(self, other: "Members") -> "Members":
        def both(one: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
            return one + tuple(name for name in more if name not in one)

        return Members(
            shards=both(self.shards, other.shards),
            gateways=both(self.gateways, other.gateways),
            connection_servers=both(self.connection_servers, other.connection_servers),
        )


class ClusterView(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Who takes part in the cluster, as of `version`; a higher version replaces a lower one.

    `serving` do their work: its shards own the users, its surfaces take clients. `present` holds
    these and those that are coming or going: deliveries and invalidations reach all of them. So
    whoever begins to serve has missed nothing, provided that each view in which it is only present
    was known to all who deliver or invalidate before a view comes in which it serves.
    """

    version: int
    serving: Members
    present: Members

    @classmethod
    def of(cls, members: Members, version: int = 1) -> "ClusterView":
        """A view in which all members serve."""
        return cls(version=version, serving=members, present=members)

    def after(self, serving: Members, present: Members) -> "ClusterView":
        """The next view; who serves is present."""
        return ClusterView(version=self.version + 1, serving=serving, present=present + serving)

    @cached_property
    def shard_map(self) -> ShardMap:
        """Which serving shard owns which user."""
        return ShardMap(self.serving.shards)

    @cached_property
    def standbys(self) -> tuple[str, ...]:
        """The shards that take the dead out while there is no controller, the first one first.

        Chosen by hashing, so that they are hardly ever all on one node.
        """
        shards = self.serving.shards
        return tuple(sorted(shards, key=lambda shard: _score(-1, shard))[:STANDBYS])

    def owns(self, shard: str, user_id: int) -> bool:
        """Whether a user's timeline is served by this shard."""
        return self.shard_map.owner(user_id) == shard
