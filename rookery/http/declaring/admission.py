"""Who makes a request, and whether its rate limits let it: what stands before every handler."""

from collections.abc import Callable
from typing import Any, Protocol

from rookery.domain.windows import Verdict
from rookery.errors import (
    DeviceRevoked,
    Forbidden,
    InvalidToken,
    Overloaded,
    PayloadTooLarge,
    RookeryError,
    TooManyRequests,
    Unauthenticated,
)
from rookery.http.addresses import UNKNOWN, Addresses
from rookery.http.declaring.endpoint import Auth, Endpoint, FindOrigin
from rookery.http.declaring.errors import limit_headers
from rookery.http.declaring.headers import bearer_token
from rookery.http.protocol.message import Request
from rookery.models import Identity
from rookery.security_log import Origin, Refusals
from rookery.services.accounts.authentication import Authenticator
from rookery.services.limits import TRIED, Attempt, Limits, Rate, demand

LOGGED_REFUSALS = (TooManyRequests, Overloaded, PayloadTooLarge, InvalidToken, DeviceRevoked)


class Gate(Protocol):
    """What the services of every surface have: whoever is served passes here."""

    @property
    def authenticator(self) -> Authenticator: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def addresses(self) -> Addresses: ...
    @property
    def refusals(self) -> Refusals: ...


class Admission:
    """Lets the requests of one endpoint through, or raises why not."""

    def __init__(self, endpoint: Endpoint, gate: Gate) -> None:
        limits, rate = gate.limits, endpoint.rate
        self._identify = gate.authenticator.identify
        self._is_token_read = endpoint.auth is not Auth.NONE
        self._is_token_required = endpoint.auth is Auth.REQUIRED
        self._by_user = limits.by_user.get(rate)
        self._by_address = limits.by_address.get(rate)
        self._own = limits.own(endpoint.own_limit) if endpoint.own_limit else None
        self._is_attempt = rate in (Rate.SIGN_UP, Rate.LOGIN)
        self._writes_by_address = limits.by_address.get(Rate.WRITE)
        self._key_of = gate.addresses.key_of

    async def admit(
        self, request: Request, headers: dict[str, str]
    ) -> tuple[Identity | None, Attempt | None]:
        """Who makes the request, and what is to be taken back if it turns out as not tried.

        The `headers` of the answer say how the client stands towards its limit; of two limits, the
        endpoint's own.

        Raises:
            Unauthenticated: nobody whom we know, where the endpoint requires somebody.
            TooManyRequests: it is over a limit.
        """
        viewer = attempt = None
        if self._is_token_read:
            token = bearer_token(request.header(b"authorization"))
            if token is not None:
                try:
                    viewer = await self._identify(token)
                except Unauthenticated:
                    await self._count_address(request, headers)
                    raise
        if viewer is None:
            attempt = await self._count_address(request, headers)
            if self._is_token_required:
                raise Unauthenticated
        elif self._by_user is not None:
            _pass(self._by_user.hit(viewer.user_id), headers, self._by_user.name)
        if self._own is not None:
            key = self._address_of(request) if viewer is None else viewer.user_id
            _pass(self._own.hit(key), headers, self._own.name)
        return viewer, attempt

    async def _count_address(self, request: Request, headers: dict[str, str]) -> Attempt | None:
        """Count a request by its address; what is to be taken back if it was not tried."""
        limit = self._by_address
        if not self._is_attempt:
            if limit is not None:
                _pass(limit.hit(self._address_of(request)), headers, limit.name)
            return None
        key = self._address_of(request)
        if self._writes_by_address is not None:  # This bounds whatever is taken back later.
            demand(self._writes_by_address.hit(key), self._writes_by_address.name)
        if limit is None:
            return None
        attempt = await limit.attempt(key)
        _pass(attempt.verdict, headers, limit.name)
        return attempt

    def _address_of(self, request: Request) -> str:
        return self._key_of(request.remote, request.header(b"x-forwarded-for"))


def _pass(verdict: Verdict, headers: dict[str, str], limit_name: str) -> None:
    """Let a request through its limit, and say so in the headers of its answer.

    Raises:
        TooManyRequests: it is over the limit.
    """
    demand(verdict, limit_name)
    limit_headers(headers, verdict.limit, verdict.remaining, verdict.reset_s)


def take_back_untried(attempt: Attempt, error: Exception, headers: dict[str, str]) -> None:
    """Uncount an attempt that failed before anything was tried."""
    if not isinstance(error, TRIED):
        standing = attempt.take_back()
        limit_headers(headers, standing.limit, standing.remaining, standing.reset_s)


def log_refusal(
    refused: Callable[..., Any],
    error: Exception,
    viewer: Identity | None,
    find_origin: Callable[[], Origin],
    operation_id: str,
) -> None:
    """Tell the security log of a refusal, unless it is none or services tell it themselves."""
    is_of_a_member = isinstance(error, Forbidden) and viewer is not None
    if not is_of_a_member and not isinstance(error, LOGGED_REFUSALS):
        return
    assert isinstance(error, RookeryError)
    refused(
        error.code,
        find_origin,
        _limit_of(error),
        user_id=None if viewer is None else viewer.user_id,
        username="" if viewer is None else viewer.username,
        endpoint=operation_id,
    )


def _limit_of(error: RookeryError) -> str:
    """The limit that was reached, if it was one."""
    if isinstance(error, PayloadTooLarge):
        return "body_bytes"
    return error.limit_name if isinstance(error, TooManyRequests | Overloaded) else ""


def origin_finder(addresses: Addresses) -> FindOrigin:
    """What finds where a request came from."""

    def find_origin(request: Request, request_id: str) -> Origin:
        forwarded = request.header(b"x-forwarded-for")
        address = addresses.client_of(request.remote, forwarded)
        key = addresses.key_of(request.remote, forwarded)
        return Origin(
            address,
            "" if key == UNKNOWN else key,
            request_id,
            request.header(b"user-agent") or "",
        )

    return find_origin
