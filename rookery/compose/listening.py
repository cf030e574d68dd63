"""Where the surfaces listen, how many connections each may hold, and what clients are told."""

import errno
import socket
from typing import Literal

from rookery.authority import bracketed, is_wildcard
from rookery.capacity import possible_connections
from rookery.config import Config
from rookery.errors import PortTaken
from rookery.http.protocol.server import BACKLOG


def reserve_port(host: str, port: int, setting: str) -> int:
    """A port that nobody listens on; `port` itself, or any where that is 0.

    Checked here because gateways share their port, and would silently share it with a stranger's.

    Raises:
        PortTaken: it is in use, or may not be used; the text says what to do.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
            raise PortTaken(
                f"port {port} on {host} {why}; choose another with {setting}"
            ) from error
        return int(probe.getsockname()[1])


def connections_for(config: Config, surface: Literal["http", "live"]) -> int:
    """How many connections a listener may hold: what the open files of its process allow.

    Under the inline runtime all listeners are one process: a quarter is for REST.
    """
    possible = possible_connections()
    if config.server.runtime == "inline":
        possible = possible // 4 if surface == "http" else possible * 3 // 4 // config.live.servers
    if surface == "http" and possible > 4 * BACKLOG:
        possible -= BACKLOG  # All that wait may be taken before the first that gives way is closed.
    return possible


def stream_url(config: Config, host: str, port: int) -> str:
    """What clients are told to connect to, for a connection server on the node `host`.

    On one machine that listens on all its addresses, ``{host}`` is left in it for `http.native` to
    replace by the one that the client itself uses: which of them it can reach nobody else knows.
    """
    live = config.live
    template = live.public_url or "ws://{host}:{port}/stream"
    if not is_wildcard(live.host):
        host = live.host
    elif not config.is_clustered:
        return template.replace("{port}", str(port))
    return template.replace("{host}", bracketed(host)).replace("{port}", str(port))
