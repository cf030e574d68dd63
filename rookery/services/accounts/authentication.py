"""From an access token to the identity it proves, at the price of a dictionary lookup."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rookery.domain.outage import Outage
from rookery.errors import DeviceRevoked, StoreUnavailable, TokenExpired, Unauthenticated
from rookery.models import Identity
from rookery.services.accounts.tokens import KeyRing, UnknownKey, VerifiedToken
from rookery.services.batching import Batcher
from rookery.store.engine import Store
from rookery.store.leases import steady_ms
from rookery.store.records.devices import ALL_DEVICES, Devices, SignIn

RECHECK_S = 30.0
MAX_ENTRIES = 100_000


class _Entry(NamedTuple):
    """What a token proves; it is to be looked at again from either time on (in ms).

    `until_ms` is by the wall clock, where tokens expire. `steady_until_ms` is by a clock that does
    not step: put back by an hour, the wall clock would put a re-check off by an hour.
    """

    verified: VerifiedToken
    until_ms: int
    steady_until_ms: int


class Authenticator:
    """Identifies requests; keeps up to `max_entries` verified tokens, least recently used out.

    A token counts only as long as its device exists and has not signed in anew. That is known
    here at once through `forget`, and `recheck_s` later at the latest if that message was lost.
    While the store cannot be asked, a token whose device was seen, and is not known to be revoked,
    counts on until it expires; its device is looked at again as soon as the store answers.

    Tokens expire by `clock_ms`, the wall clock; re-checks are timed by `steady`, in ms of a clock
    that does not step.
    """

    def __init__(
        self,
        keys: KeyRing,
        store: Store,
        clock_ms: Callable[[], int],
        *,
        recheck_s: float = RECHECK_S,
        max_entries: int = MAX_ENTRIES,
        steady: Callable[[], int] = steady_ms,
    ) -> None:
        self._keys = keys
        self._devices = Devices(store.reader)
        self._clock_ms = clock_ms
        self._steady_ms = steady
        self._recheck_ms = int(recheck_s * 1000)
        self._max_entries = max_entries
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._tokens: dict[tuple[int, str], set[str]] = {}
        self._forgotten = 0
        self._outage = Outage()
        self._looked_at = Batcher(self._ended)
        keys.on_revoked(self._forget_tokens)

    def __len__(self) -> int:
        return len(self._entries)

    async def identify(self, token: str) -> Identity:
        """The identity that `token` proves.

        Raises:
            InvalidToken: it is malformed, or we did not sign it.
            TokenExpired: its time is over.
            DeviceRevoked: its device was logged out.
            StoreUnavailable: the device was never seen here, and cannot be looked at.
        """
        entry = self._entries.get(token)
        if entry is not None:
            known, until_ms, steady_until_ms = entry
            if self._clock_ms() < until_ms and self._steady_ms() < steady_until_ms:
                self._entries.move_to_end(token)
                return known.identity
        try:
            if entry is not None:
                # What a token proves does not change; only its device and the time do.
                return await self._recheck(token, entry[0])
            return await self._admit(token, await self._verified(token))
        except Unauthenticated:
            self._drop(token)
            raise

    def expires_ms(self, token: str) -> int:
        """When (ms since 1970) a token ends that was identified just now."""
        entry = self._entries.get(token)
        verified = self._keys.verify(token, self._clock_ms()) if entry is None else entry[0]
        return verified.expires_ms

    def forget(self, devices: Iterable[tuple[int, str]]) -> None:
        """Drop what is known of these (user id, device id); their next request looks again.

        `ALL_DEVICES` in the place of a device's id stands for all of the user.
        """
        self._forgotten += 1
        for user_id, device_id in devices:
            named = [(user_id, device_id)]
            if device_id == ALL_DEVICES:
                named = [each for each in self._tokens if each[0] == user_id]
            for each in named:
                for token in self._tokens.pop(each, ()):
                    self._entries.pop(token, None)

    def _forget_tokens(self) -> None:
        """Keys were revoked: verify every token again."""
        self._forgotten += 1
        self._entries.clear()
        self._tokens.clear()

    def forget_all(self) -> None:
        """Look at every device again before its token counts: some may have been revoked."""
        self._forgotten += 1
        for token, entry in self._entries.items():
            self._entries[token] = _Entry(entry.verified, 0, 0)

    async def _verified(self, token: str) -> VerifiedToken:
        try:
            return self._keys.verify(token, self._clock_ms())
        except UnknownKey:
            await self._keys.reload_for(token)
            return self._keys.verify(token, self._clock_ms())

    async def _recheck(self, token: str, verified: VerifiedToken) -> Identity:
        """As `_admit`, for a token whose device was seen before."""
        if self._outage.may_ask(self._steady_ms()):
            try:
                return await self._admit(token, verified)
            except StoreUnavailable:
                self._outage.failed(self._steady_ms())
                if token not in self._entries:  # Revoked, or pushed out, while the store was asked.
                    raise
        if self._clock_ms() >= verified.expires_ms:
            raise TokenExpired()
        return verified.identity

    async def _admit(self, token: str, verified: VerifiedToken) -> Identity:
        identity = verified.identity
        forgotten = self._forgotten
        now_ms, began_ms = self._clock_ms(), self._steady_ms()
        if now_ms >= verified.expires_ms:
            raise TokenExpired()
        sign_in = (identity.user_id, identity.device_id, identity.session)
        ended = await self._looked_at.request([sign_in])
        self._outage.answered()
        if sign_in in ended:
            if not identity.session:  # Of a release that named no sign-in: a client may renew it.
                raise TokenExpired()
            raise DeviceRevoked()
        # A revocation that arrived during the read may concern this device, which the read then
        # saw just before: such an answer serves this request, but is not kept.
        if forgotten == self._forgotten:
            until_ms = min(verified.expires_ms, now_ms + self._recheck_ms)
            self._keep(token, _Entry(verified, until_ms, began_ms + self._recheck_ms))
        return identity

    async def _ended(self, sign_ins: list[SignIn]) -> list[SignIn]:
        return await self._devices.ended(sign_ins, self._clock_ms())

    def _keep(self, token: str, entry: _Entry) -> None:
        identity = entry.verified.identity
        self._entries[token] = entry
        self._entries.move_to_end(token)
        self._tokens.setdefault((identity.user_id, identity.device_id), set()).add(token)
        while len(self._entries) > self._max_entries:
            self._drop(next(iter(self._entries)))

    def _drop(self, token: str) -> None:
        entry = self._entries.pop(token, None)
        if entry is None:
            return
        device = (entry[0].identity.user_id, entry[0].identity.device_id)
        tokens = self._tokens.get(device)
        if tokens is not None:
            tokens.discard(token)
            if not tokens:
                del self._tokens[device]
