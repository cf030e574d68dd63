"""The limits and intervals of a connection server.

Leaf of this package: imports only `rookery.errors`. `rookery.config` holds the same names under
``[live]``.
"""

from dataclasses import dataclass

from rookery.errors import ConfigError


@dataclass(frozen=True)
class StreamSettings:
    """How a connection server treats its sessions; the defaults suit a public server.

    Back-pressure: up to `soft_buffer_bytes` events wait singly for a slow client; above it they
    are merged, until what waits has drained to a quarter of it. A client still merging after
    `slow_grace_s`, or with more than `hard_buffer_bytes` waiting, is closed. `send_buffer_bytes`
    bounds what the kernel holds beside it, for each connection, and `receive_buffer_bytes` what it
    holds of a client that is not read.

    What a client sends: `message_rate` frames a second after a burst of `message_burst`; of all
    sessions of a user together `user_message_rate`, as a mean over `user_message_window_s`.

    Strangers: a connection that is no session yet holds up to `max_head_bytes` and, while its token
    is looked at, `max_early_bytes`; there are at most `max_handshakes` of them, of an address
    `max_handshakes_per_address` (0: no bound by address), and the oldest silent ones make room.
    Sessions that are closing count among them, and make room first.
    Sessions and handshakes together keep below `max_connections`, which the open files allow.
    """

    heartbeat_s: float = 25.0
    handshake_timeout_s: float = 10.0
    close_timeout_s: float = 5.0
    stop_timeout_s: float = 3.0

    max_sessions: int = 50_000
    max_connections: int = 60_000
    max_handshakes: int = 4_096
    max_handshakes_per_address: int = 1_024
    max_sessions_per_user: int = 50

    max_frame_bytes: int = 16 * 1024
    max_head_bytes: int = 16 * 1024
    max_early_bytes: int = 32 * 1024
    message_rate: float = 100.0
    message_burst: int = 200
    user_message_rate: float = 200.0
    user_message_window_s: float = 5.0
    max_errors: int = 3
    error_window_s: float = 60.0
    watch_limit: int = 200

    soft_buffer_bytes: int = 256 * 1024
    hard_buffer_bytes: int = 1024 * 1024
    send_buffer_bytes: int = 256 * 1024
    receive_buffer_bytes: int = 32 * 1024
    slow_grace_s: float = 30.0

    held_events: int = 1_000
    attach_concurrency: int = 512
    attach_timeout_s: float = 3.0
    attach_deadline_s: float = 10.0
    detach_batch: int = 256
    reconcile_interval_s: float = 2.0
    reconcile_everyone_s: float = 30.0
    reconcile_grace_s: float = 0.25
    reconcile_batch: int = 4_000
    counts_interval_s: float = 0.25
    counts_batch: int = 2_000

    def __post_init__(self) -> None:
        if not 0 < self.soft_buffer_bytes < self.hard_buffer_bytes:
            raise ConfigError("live.soft_buffer_bytes must be less than live.hard_buffer_bytes")

    @property
    def low_buffer_bytes(self) -> int:
        """Waiting bytes at which merging ends."""
        return self.soft_buffer_bytes // 4
