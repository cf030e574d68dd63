"""The names by which actors are known, to each other and in the Ray dashboard."""

STORE_WRITER = "StoreWriter"
CONNECTION_MANAGER = "ConnectionManager"
CELEBRITY_LISTS = "CelebrityLists"
FANOUT_WORKER = "FanoutWorker"

RELIED_ON = (FANOUT_WORKER, CELEBRITY_LISTS)
"""Who delivers, and so must know a view before those who join serve in it."""


def gateway(number: int) -> str:
    return f"Gateway-{number}"


def connection_server(number: int) -> str:
    return f"ConnectionServer-{number}"


def timeline_shard(number: int) -> str:
    return f"TimelineShard-{number}"


def number_of(name: str) -> int:
    """The number in the name of an actor that there are several of."""
    return int(name.rpartition("-")[2])
