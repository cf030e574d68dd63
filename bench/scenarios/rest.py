"""REST requests of accounts, as Locust's fast client makes and counts them."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import msgspec
from locust.contrib.fasthttp import FastHttpSession

API = "/api/v1"
LIMITED, OVERLOADED = 429, 503
HIDDEN = (403, 404)


@dataclass(frozen=True)
class Answer:
    """What came back. `status` is 0 where nothing did, `retry_after_s` None where it is not told.
    `limited`: the server counts these requests against a limit."""

    status: int
    body: Any = None
    retry_after_s: float | None = None
    limited: bool = False

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The error's stable code, if the body holds one."""
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


@dataclass(eq=False)
class Account:
    """Somebody who is signed in. `renew` is `monotonic` of when to exchange the tokens."""

    user_id: int
    username: str
    password: str
    token: str = ""
    refresh_token: str = ""
    renew_s: float = 0.0
    renewing: threading.Lock = field(default_factory=threading.Lock)

    def took(self, tokens: Mapping[str, Any]) -> None:
        """Keep the tokens that a sign-up, log-in or renewal answered."""
        self.token, self.refresh_token = tokens["token"], tokens["refreshToken"]
        # Not all in the same minute, since one address may do so only so often.
        self.renew_s = monotonic() + tokens["expiresIn"] * random.uniform(0.4, 0.9)


class Rest:
    """The requests of one Locust user, or of the preparation."""

    def __init__(
        self,
        client: FastHttpSession,
        may_be_overloaded: Callable[[], bool] = lambda: False,
    ) -> None:
        """`may_be_overloaded` tells whether a 503 with ``Retry-After`` is no failure just now."""
        self._client = client
        self.may_be_overloaded = may_be_overloaded

    def call(
        self,
        method: str,
        path: str,
        *,
        name: str = "",
        account: Account | None = None,
        body: Mapping[str, Any] | None = None,
        key: str = "",
        may_be_limited: bool = False,
        may_be_hidden: bool = False,
    ) -> Answer:
        """Send a request, and count it as `name` (its path where none is given).

        A refusal that is allowed (`may_be_limited`: a 429 with ``Retry-After``; `may_be_hidden`:
        a 403 or 404) succeeds under a name of its own, so that it does not make the times of the
        others look better.
        """
        headers = {"Idempotency-Key": key} if key else {}
        if account is not None:
            self._renew(account)
            headers["Authorization"] = f"Bearer {account.token}"
        name = name or path
        with self._client.request(
            method, API + path, name=name, json=body, headers=headers, catch_response=True
        ) as response:
            answer = _answer(response)
            allowed = (may_be_limited and answer.status == LIMITED) or (
                answer.status == OVERLOADED and self.may_be_overloaded()
            )
            allowed = allowed and answer.retry_after_s is not None
            if allowed or (may_be_hidden and answer.status in HIDDEN):
                response.request_meta["name"] = f"{name} ({answer.status})"
                response.success()
            elif answer.status and not answer.ok:
                response.failure(f"{answer.status} {answer.code}")
        return answer

    def _renew(self, account: Account) -> None:
        with account.renewing:
            if not account.token or monotonic() < account.renew_s:
                return
            answer = self.call(
                "POST", "/token/refresh", body={"refreshToken": account.refresh_token}
            )
            if answer.ok:
                account.took(answer.body)


def _answer(response: Any) -> Answer:
    status = int(response.status_code)
    raw = response.content if status else None
    try:
        body = msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:
        response.failure(f"{status} with a body that is not JSON")
        body = None
    told = response.headers.get("Retry-After") if status else None
    retry_after_s = float(told) if told is not None and told.isdigit() else None
    return Answer(status, body, retry_after_s, "RateLimit-Limit" in (response.headers or {}))
