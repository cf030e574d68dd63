"""Listens: from an application to a port that answers every fault of HTTP in our own shape."""

import asyncio
import errno
from collections.abc import Coroutine
from time import monotonic
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from rookery.errors import InvalidRequest, PortTaken
from rookery.http.errors import error_response
from rookery.http.routing import EXACT_ROUTES, common_headers, dispatcher_of

log = structlog.get_logger(__name__)

SHUTDOWN_S = 10.0
KEEP_ALIVE_S = 75.0
LINGERING_S = 2.0
DRAIN_LOOK_S = 0.05


class _Protocol(web.RequestHandler):
    """aiohttp's connection, which answers what is no HTTP in our shape, and can be drained."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            raise ConnectionError("Nobody to answer") from exc
        headers, request_id = common_headers(request)
        error: Exception
        if isinstance(exc, HttpProcessingError) or status == 400:
            log.debug("malformed HTTP", request_id=request_id, reason=type(exc).__name__)
            error = InvalidRequest("The request is malformed HTTP")
        else:
            error = exc if isinstance(exc, Exception) else RuntimeError(message)
        response = error_response(error, request, headers, request_id)
        response.force_close()
        return response

    def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        manager = self._manager
        if isinstance(manager, _Server) and manager.is_draining:
            resp.force_close()
        return super().finish_response(request, resp, start_time)


class _Server(web.Server):
    is_draining = False

    def __call__(self) -> web.RequestHandler:
        return _Protocol(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGERING_S,
        )


class Runner(web.AppRunner):
    """aiohttp's, which can also let its clients go one by one."""

    async def drain(self, within_s: float) -> None:
        """Take no more connections, and end each with its next answer; return when none is left.

        After `within_s` the idle ones are left to `cleanup`, which cuts them.
        """
        server = self.server
        assert isinstance(server, _Server), "setup() comes first"
        server.is_draining = True
        for site in list(self.sites):
            await site.stop()
        until_s = monotonic() + within_s
        while server.connections and monotonic() < until_s:  # noqa: ASYNC110 - aiohttp tells nobody
            await asyncio.sleep(DRAIN_LOOK_S)

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        dispatch = dispatcher_of(self.app.get(EXACT_ROUTES, {}), server.request_handler)
        return _Server(dispatch, request_factory=server.request_factory)


async def serve_app(app: web.Application, host: str, port: int, reuse_port: bool = False) -> Runner:
    """Serve `app` until ``await runner.cleanup()``, which lets requests under way finish.

    With `port` 0 the system chooses one: see ``runner.addresses``. With `reuse_port`, several
    processes of one user may listen on the same port and share its connections.

    Raises:
        PortTaken: somebody else listens there; the text says what to do.
    """
    runner = Runner(app, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, reuse_port=reuse_port or None, backlog=1024).start()
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"port {port} on {host} is in use; choose another with --http-port or "
                "ROOKERY_HTTP_PORT"
            ) from error
        raise
    return runner


def port_of(runner: web.AppRunner) -> int:
    """The port on which `runner` listens."""
    address: Any = runner.addresses[0]
    return int(address[1])
