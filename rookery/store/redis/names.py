"""What the keys and channels in Redis are called, after the configured prefix."""

from rookery.config import Redis

ENTRY_FIELD = b"entry"
REASON_FIELD = b"reason"
GROUP = "fanout"


def stream_key(settings: Redis) -> str:
    """The stream of outbox entries on their way."""
    return f"{settings.prefix}fanout"


def dead_key(settings: Redis) -> str:
    """The stream of entries that were put aside."""
    return f"{settings.prefix}fanout:dead"


def revocations_channel(settings: Redis) -> str:
    """Where revoked devices are told."""
    return f"{settings.prefix}revocations"


def document_key(settings: Redis, collection: str, document_id: int) -> bytes:
    """A cached document."""
    return f"{settings.prefix}{collection}:{document_id}".encode()
