"""What the keys and channels in Redis are called, after the configured prefix."""

from rookery.config import Redis

EVENT_FIELD = b"event"
GROUP = "fanout"


def stream_key(settings: Redis) -> str:
    """The stream of events on their way."""
    return f"{settings.prefix}fanout"


def revocations_channel(settings: Redis) -> str:
    """Where revoked devices are told."""
    return f"{settings.prefix}revocations"


def document_key(settings: Redis, collection: str, document_id: int) -> bytes:
    """A cached document."""
    return f"{settings.prefix}{collection}:{document_id}".encode()
