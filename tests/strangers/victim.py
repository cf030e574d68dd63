"""A user who goes on as ever while strangers do their worst, from an address of his own.

He logs in with his password, posts, reads home, and holds a stream on which the posts of an author
he follows arrive; every operation is timed. Written on aiohttp alone, without the project's client,
which would repeat what fails.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Self

import aiohttp
import msgspec

ADDRESS = "127.0.0.6"
PASSWORD = "correct horse battery staple"
OPERATION_S = 10.0
"""What takes longer has failed."""
LOG_IN_EVERY_S = 10.0
LOG_IN_EVERY_AT_LEAST_S = 7.0
"""However fast the rest: one may log in to an account ten times a minute."""
POST_EVERY_S = 2.0
READ_EVERY_S = 0.5
STREAM_EVERY_S = 30.0
RENEW_EVERY_S = 300.0
PUSH_WITHIN_S = 10.0
OWN_POST = "own post in home"
OWN_POST_WITHIN_S = 5.0
"""So long after it was acknowledged a post that is not shown is lost, not late."""
LOGGED_IN = ("log in", "post", "read home", "push", "open stream")


class Timed(msgspec.Struct, frozen=True):
    """One operation; `error` says how it failed."""

    name: str
    at_s: float
    took_s: float
    error: str = ""


class Refused(Exception):
    """An answer that is none of success."""


class Victim:
    """An async context manager; `settle` first, then `live` until it is cancelled."""

    def __init__(self, url: str, pace: float = 1.0) -> None:
        """`pace` divides the times between operations, for short runs."""
        self.timed: list[Timed] = []
        self.wrong: list[str] = []
        self.posted: dict[int, str] = {}
        """Ids of all posts that home must show, by the key they were sent with."""
        self.username = f"victim{uuid.uuid4().hex[:8]}"
        self._url = f"{url}/api/v1"
        self._pace = pace
        self._unanswered: list[tuple[str, str, str]] = []
        self._pushed: set[int] = set()
        self._device_id = ""
        self._session: dict[str, Any] = {}
        self._author: dict[str, Any] = {}
        self._own: list[int] = []
        self._posted_s = 0.0
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: list[asyncio.Task[None]] = []
        self._came = asyncio.Event()
        self.began_s = time.monotonic()

    async def __aenter__(self) -> Self:
        def session(**options: Any) -> aiohttp.ClientSession:
            connector = aiohttp.TCPConnector(limit=0, local_addr=(ADDRESS, 0), **options)
            found = aiohttp.ClientSession(connector=connector)
            found._retry_connection = False
            return found

        self._kept = session()
        self._fresh = session(force_close=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        await self._kept.close()
        await self._fresh.close()

    async def settle(self) -> None:
        """Sign up with the author, follow, log in on a second device, open the stream."""
        self._session = await self._sign_up(self.username)
        self._author = await self._sign_up(f"author{uuid.uuid4().hex[:8]}")
        await self._ask("POST", f"/users/{self._author['userId']}/follow", self._session["token"])
        await self._log_in()
        await self._open_stream()

    async def _sign_up(self, name: str) -> dict[str, Any]:
        body = {
            "username": name,
            "email": f"{name}@example.org",
            "password": PASSWORD,
            "name": name,
        }
        return await self._ask("POST", "/signup", None, body)

    async def live(self) -> None:
        """Use the service until cancelled."""
        log_in_every_s = max(LOG_IN_EVERY_S / self._pace, LOG_IN_EVERY_AT_LEAST_S)
        await asyncio.gather(
            self._every(log_in_every_s * self._pace, "log in", self._log_in),
            self._every(POST_EVERY_S, "post", self._post),
            self._every(READ_EVERY_S, "read home", self._read),
            self._every(STREAM_EVERY_S, "open stream", self._open_stream),
            self._every(POST_EVERY_S, "", self._author_posts),
            self._every(RENEW_EVERY_S, "renew tokens", self._renew),
        )

    async def _every(self, pause_s: float, name: str, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(pause_s / self._pace)
            if name:
                with suppress(Refused):
                    await self._time(name, act())
            else:
                await act()

    async def _time(self, name: str, work: Awaitable[Any]) -> Any:
        """Await it, and note how long it took; a failure is raised again as `Refused`."""
        began_s = time.monotonic()
        error = ""
        try:
            async with asyncio.timeout(OPERATION_S):
                return await work
        except (Refused, aiohttp.ClientError, OSError, TimeoutError, KeyError, ValueError) as found:
            error = f"{type(found).__name__} {found}"[:200]
            raise Refused(error) from found
        finally:
            now_s = time.monotonic()
            at_s = round(began_s - self.began_s, 3)
            self.timed.append(Timed(name, at_s, round(now_s - began_s, 4), error))

    async def _ask(
        self,
        method: str,
        path: str,
        token: str | None,
        body: dict[str, Any] | None = None,
        key: str = "",
        fresh: bool = False,
    ) -> dict[str, Any]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if key:
            headers["Idempotency-Key"] = key
        http = self._fresh if fresh else self._kept
        async with http.request(method, self._url + path, json=body, headers=headers) as answer:
            raw = await answer.read()
            if answer.status >= 300:
                raise Refused(f"{answer.status} {raw[:100]!r}")
            found: dict[str, Any] = json.loads(raw)
            return found

    # What he does

    async def _log_in(self) -> None:
        body = {"username": self.username, "password": PASSWORD}
        if self._device_id:
            body["deviceId"] = self._device_id
        answer = await self._ask("POST", "/login", None, body, fresh=True)
        self._device_id = answer["deviceId"]

    async def _renew(self) -> None:
        for session in (self._session, self._author):
            body = {"refreshToken": session["refreshToken"]}
            session.update(await self._ask("POST", "/token/refresh", None, body))

    async def _post(self) -> None:
        self._own.append(await self._posting(self._session, len(self._own) % 4 == 0))
        self._posted_s = time.monotonic()

    async def _posting(self, session: dict[str, Any], fresh: bool = False) -> int:
        """Post; if no answer comes, it is asked for again when all is over."""
        key, text = str(uuid.uuid4()), f"still here {uuid.uuid4().hex[:6]}"
        self._unanswered.append((session["userId"], key, text))
        answer = await self._ask("POST", "/tweets", session["token"], {"text": text}, key, fresh)
        self._unanswered.remove((session["userId"], key, text))
        tweet_id = int(answer["tweet"]["id"])
        self.posted[tweet_id] = key
        return tweet_id

    async def _read(self) -> None:
        newest, began_s = self._own[-1] if self._own else 0, time.monotonic()
        fresh = len(self.timed) % 4 == 0
        token = self._session["token"]
        answer = await self._ask("GET", "/timeline/home?limit=20", token, fresh=fresh)
        ids = [int(tweet["id"]) for tweet in answer["tweets"]]
        if ids != sorted(set(ids), reverse=True):
            self.wrong.append(f"home is out of order or doubled: {ids}")
        if newest:
            is_there = newest in ids or (len(ids) == 20 and newest < ids[-1])
            self._note(OWN_POST, time.monotonic(), "" if is_there else f"{newest} is missing")
            if not is_there and began_s > self._posted_s + OWN_POST_WITHIN_S:
                self.wrong.append(f"home lacks {newest}, which was acknowledged before: {ids}")

    async def _author_posts(self) -> None:
        """The author posts, and the victim's stream tells of it."""
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(OPERATION_S):
                tweet_id = await self._posting(self._author)
        except (Refused, aiohttp.ClientError, OSError, TimeoutError) as error:
            self._note("author's post", began_s, f"{type(error).__name__} {error}"[:200])
            return
        self._note("author's post", began_s)
        try:
            async with asyncio.timeout(PUSH_WITHIN_S):
                while tweet_id not in self._pushed:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            self._note("push", began_s, f"{tweet_id} was not pushed")
        else:
            self._note("push", began_s)

    def _note(self, name: str, began_s: float, error: str = "") -> None:
        took_s = round(time.monotonic() - began_s, 4)
        self.timed.append(Timed(name, round(began_s - self.began_s, 3), took_s, error))

    # The stream

    async def _open_stream(self) -> None:
        """Open a new stream, and only then close the former one: nothing may be missed."""
        token = self._session["token"]
        address = await self._ask("GET", "/stream", token, fresh=True)
        socket = await self._fresh.ws_connect(
            address["url"],
            protocols=("rookery.v1.json",),
            headers={"Authorization": f"Bearer {token}"},
        )
        try:
            first = await socket.receive(OPERATION_S)
            is_text = first.type is aiohttp.WSMsgType.TEXT
            if not is_text or json.loads(first.data)["type"] != "welcome":
                raise Refused(f"no welcome: {first}")
        except BaseException:
            await socket.close()
            raise
        former, self._socket = self._socket, socket
        self._reading.append(asyncio.create_task(self._take(socket)))
        if former is not None:
            await former.close()
        self._reading = [task for task in self._reading if not task.done()]

    async def _take(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        began_s = time.monotonic()
        async for message in socket:
            event = json.loads(message.data)
            if event["type"] == "tweet":
                self._pushed.add(int(event["tweet"]["id"]))
                self._came.set()
        if socket is self._socket:
            self._note("stream kept", began_s, f"the stream was closed with {socket.close_code}")

    # When all is over

    async def settle_doubts(self) -> None:
        """Ask again for what was not answered, with the same keys: then it is there, once."""
        sessions = {each["userId"]: each for each in (self._session, self._author)}
        for user_id, key, text in self._unanswered:
            token = sessions[user_id]["token"]
            answer = await self._ask("POST", "/tweets", token, {"text": text}, key)
            self.posted[int(answer["tweet"]["id"])] = key
        self._unanswered.clear()

    async def home(self) -> list[int]:
        """The whole of it, newest first."""
        found: list[int] = []
        cursor = ""
        while True:
            path = "/timeline/home?limit=100" + (f"&cursor={cursor}" if cursor else "")
            answer = await self._ask("GET", path, self._session["token"])
            found += [int(tweet["id"]) for tweet in answer["tweets"]]
            cursor = answer["nextCursor"] or ""
            if not cursor:
                return found
