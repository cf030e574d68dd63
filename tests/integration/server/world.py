"""Whole servers for tests, and people who use them through the client, over real sockets.

A server runs in a thread with an event loop of its own: tests meet it only over HTTP, WebSocket
and the control channel, unless they ask for its insides by `on_loop`.
"""

import asyncio
import itertools
import os
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import aiohttp
import psutil

from rookery.actors.runtime import Runtime
from rookery.actors.runtime_inline import InlineRuntime
from rookery.client import (
    Client,
    Event,
    Session,
    Stream,
    StreamClosed,
    StreamSettings,
    Tweet,
    TweetEvent,
)
from rookery.compose.serving import RunningServer
from rookery.config import Config, Limits, load
from rookery.control import Control

T = TypeVar("T")

WITHIN_S = 20.0
START_S = 120.0
PASSWORD = "correct horse battery"
SOON = StreamSettings(base_s=0.02, cap_s=0.5, healthy_s=0.01)
"""For streams that are to be back at once after a cut."""

_numbers = itertools.count(1)


def config(data_dir: Path, runtime: str, **overrides: Mapping[str, Any]) -> Config:
    """Settings of a small server: free ports, cheap passwords, short rings, few for a celebrity."""
    sections: dict[str, dict[str, Any]] = {
        "server": {"data_dir": str(data_dir), "runtime": runtime, "log_level": "warning"},
        "http": {"port": 0},
        "live": {"port": 0, "log_events": 5_000, "max_logs": 1_024},
        "timelines": {"ring_size": 20, "celebrity_threshold": 5},
        "auth": {"argon2_time_cost": 1, "argon2_memory_kib": 8},
        "limits": dict.fromkeys(Limits.__struct_fields__, 0),
    }
    if runtime == "ray":
        sections["http"]["gateways"] = 2
        sections["timelines"]["shards"] = 2
    for section, values in overrides.items():
        sections.setdefault(section, {}).update(values)
    return load(environ={}, overrides=sections)


def runtime_of(config: Config, namespace: str) -> Runtime:
    """The configured runtime; on Ray, in a namespace of its own, since tests share one Ray."""
    if config.server.runtime == "inline":
        return InlineRuntime()
    from rookery.actors.runtime_ray import RayOptions, RayRuntime

    return RayRuntime(RayOptions(namespace=namespace))


async def pid_of(name: str, namespace: str) -> int:
    """The process of an actor on Ray, once it is alive."""
    import ray

    handle = await asyncio.to_thread(ray.get_actor, name, namespace=namespace)
    # A lambda travels as code, so that the actor's process need not import this module.
    pid: int = await handle.__ray_call__.remote(lambda _: os.getpid())
    return pid


class Place(Protocol):
    """A server, wherever it runs."""

    @property
    def config(self) -> Config: ...

    @property
    def http_url(self) -> str: ...


class ServerThread:
    """A running server. `start` and `stop` block and may be called again."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.namespace = f"rookery-{secrets.token_hex(4)}"
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def config(self) -> Config:
        return self._config

    @property
    def http_url(self) -> str:
        return self.server.http_url

    def start(self) -> None:
        """Start, and return when it can be used.

        Raises:
            StartupError: as `RunningServer.start`.
        """
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="server")
        self._thread.start()
        try:
            self.server = self._wait(self._make())
            self._wait(self.server.start())
        except BaseException:
            self._end()
            raise

    async def _make(self) -> RunningServer:
        return RunningServer(self.config, runtime_of(self.config, self.namespace))

    def stop(self) -> None:
        """Stop in order; nothing if it does not run."""
        if self._loop is not None:
            try:
                self._wait(self.server.stop())
            finally:
                self._end()

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(START_S)

    def _end(self) -> None:
        loop, self._loop = self._loop, None
        assert loop is not None
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.run_until_complete(_cancel_all())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    async def on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where the server runs."""
        assert self._loop is not None
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    async def actor(self, name: str, method: str, *args: Any) -> Any:
        """Call an actor's method."""
        return await self.on_loop(self.server.runtime.ref(name).call(method, *args))

    async def kill(self, name: str) -> None:
        """Let an actor die and wait for the next one of its name.

        On Ray its process is killed. Inline, a connection server stops in order instead, since
        nobody else would close its sockets.
        """
        runtime = self.server.runtime
        if isinstance(runtime, InlineRuntime):
            await self.on_loop(runtime.restart(name, graceful=name.startswith("Connection")))
            return
        process = psutil.Process(await self.on_loop(pid_of(name, self.namespace)))
        process.kill()

        async def is_replaced() -> bool:
            try:
                pid = await self.on_loop(pid_of(name, self.namespace))
            except RayError:
                return False
            return pid != process.pid

        from ray.exceptions import RayError

        await until(is_replaced, within_s=2 * WITHIN_S, what=f"another {name}")
        assert not process.is_running()

    def instance(self, name: str) -> Any:
        """An actor's object in the inline runtime; use it only from `on_loop`."""
        runtime = self.server.runtime
        assert isinstance(runtime, InlineRuntime)
        return runtime.instance(name)


async def _cancel_all() -> None:
    """End the tasks that are left, as `asyncio.run` would: aiohttp lingers on broken requests."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def until(
    condition: Callable[[], Awaitable[object]], *, within_s: float = WITHIN_S, what: str = ""
) -> None:
    """Ask again and again until the answer is true.

    Raises:
        AssertionError: it was not in time.
    """
    until_s = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < until_s, f"not within {within_s} s: {what or condition}"
        await asyncio.sleep(0.02)


class Listener:
    """Reads a stream in the background and keeps what came, in order."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.events: list[Event] = []
        self.closed: StreamClosed | None = None
        self.closed_s = 0.0
        self._came = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for event in self.stream:
                self.events.append(event)
                self._came.set()
        except StreamClosed as closed:
            self.closed, self.closed_s = closed, time.monotonic()
            self._came.set()

    async def until(self, condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
        """Wait for something that events bring about.

        Raises:
            TimeoutError: it did not happen in time.
        """
        async with asyncio.timeout(within_s):
            while not condition():
                self._came.clear()
                await self._came.wait()

    def of(self, kind: type[T]) -> list[T]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def tweet_ids(self) -> list[int]:
        """The ids of new tweets, in the order they came."""
        return [int(event.tweet_id) for event in self.events if isinstance(event, TweetEvent)]

    async def aclose(self) -> None:
        await self.stream.aclose()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Person:
    """Somebody signed in on one device."""

    def __init__(self, client: Client, session: Session, world: "World") -> None:
        self.client = client
        self.session = session
        self.id = int(session.user.id)
        self.username = session.user.username
        self._world = world

    async def post(self, text: str, **options: Any) -> int:
        """Post; the tweet's id."""
        return int((await self.client.post(text, **options)).id)

    async def follow(self, *others: "Person") -> None:
        for other in others:
            await self.client.follow(other.id)

    async def home(self, limit: int = 100, **options: Any) -> list[int]:
        """The ids of the whole home timeline, page by page."""
        return [int(tweet.id) async for tweet in self.client.home(limit=limit, **options)]

    async def listen(self, **options: Any) -> Listener:
        """Open a stream; it is live when this returns."""
        stream = self.client.stream(settings=SOON, **options)
        listener = Listener(stream)
        self._world.stack.push_async_callback(listener.aclose)
        await until(_is(lambda: stream.connected), what="a live stream")
        return listener

    async def another_device(self) -> "Person":
        """The same person, signed in once more."""
        client = await self._world.client()
        session = await client.log_in(PASSWORD, username=self.username, device_name="other")
        return Person(client, session, self._world)


def _is(condition: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    async def asked() -> object:
        return condition()

    return asked


class World:
    """A server's users within one test."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._http = await self.stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stack.aclose()

    @property
    def url(self) -> str:
        return self._place.http_url

    @property
    def data_dir(self) -> Path:
        return Path(self._place.config.server.data_dir)

    async def client(self, url: str = "", **options: Any) -> Client:
        """A client of nobody yet, closed with the test; of another address, if `url` names one."""
        client = Client(url or self.url, http=self._http, **options)
        return await self.stack.enter_async_context(client)

    async def person(self, name: str = "user") -> Person:
        """A new account; the name is made unique."""
        client = await self.client()
        username = f"{name}{next(_numbers)}"
        session = await client.sign_up(
            email=f"{username}@example.org", username=username, password=PASSWORD, name=name
        )
        return Person(client, session, self)

    async def people(self, count: int, name: str = "user") -> list[Person]:
        return list(await asyncio.gather(*(self.person(name) for _ in range(count))))

    async def control(self, command: str, **arguments: Any) -> Any:
        """A command as the command line gives it."""
        async with Control(self.data_dir) as control:
            return await control.call(command, **arguments)

    async def faults(self, *, repair: bool = False) -> list[dict[str, Any]]:
        """What the audit of all warm timelines finds."""
        found: list[dict[str, Any]] = []
        async with Control(self.data_dir) as control:
            async for progress in control.stream("fsck", repair=repair):
                found += progress["findings"]
        return found

    async def statuses(self, path: str, token: str, count: int = 20) -> set[int]:
        """What requests over connections of their own get; they spread over all gateways."""

        async def ask() -> int:
            headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
            async with aiohttp.ClientSession(headers=headers) as http:
                async with http.get(f"{self.url}/api/v1{path}") as answer:
                    return answer.status

        return set(await asyncio.gather(*(ask() for _ in range(count))))


def newest_first(tweets: list[Tweet] | list[int]) -> list[int]:
    return sorted((t if isinstance(t, int) else int(t.id) for t in tweets), reverse=True)


async def settled(world: World) -> None:
    """Everything committed before has been delivered."""
    with suppress(TimeoutError):
        await asyncio.wait_for(world.control("settle"), WITHIN_S)
        return
    raise AssertionError("the queue does not become empty")
