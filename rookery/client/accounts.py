"""Signing up and in, and one's devices. Part of `Client`."""

import uuid
from typing import Any
from urllib.parse import quote

from rookery.client.models import Device, Devices, Session, SignedUp, Tokens, User
from rookery.client.pages import Pages
from rookery.client.requests import GONE, Requests
from rookery.client.transport import Call


class AccountMethods(Requests):
    """The methods of `Client` about one's own account."""

    async def sign_up(
        self,
        *,
        email: str,
        username: str,
        password: str,
        name: str,
        device_name: str = "",
        idempotency_key: str | None = None,
    ) -> Session:
        """Make an account and go on as its user."""
        body = {
            "email": email,
            "username": username,
            "password": password,
            "name": name,
            "deviceName": device_name,
        }
        call = Call(
            "POST",
            "/signup",
            body=body,
            authenticated=False,
            idempotency_key=idempotency_key or str(uuid.uuid4()),
        )
        answer = await self._transport.request(call, SignedUp)
        return await self._signed_in(answer, answer.profile)

    async def log_in(
        self,
        password: str,
        *,
        username: str | None = None,
        email: str | None = None,
        device_id: str | None = None,
        device_name: str = "",
    ) -> Session:
        """Log in by `username` or `email`, and go on as that user.

        With the `device_id` of an earlier session the same device gets new tokens; without, a
        new device is added, which is why a lost answer is then an error and not repeated.
        """
        body: dict[str, Any] = {"password": password, "deviceName": device_name}
        given = {"username": username, "email": email, "deviceId": device_id}
        body |= {name: value for name, value in given.items() if value is not None}
        repeatable = device_id is not None
        call = Call("POST", "/login", body=body, authenticated=False, repeatable=repeatable)
        answer = await self._transport.request(call, Session)
        return await self._signed_in(answer, answer.user)

    async def _signed_in(self, tokens: Tokens, user: User) -> Session:
        self._user_id = user.id
        await self._transport.adopt(tokens)
        return Session(
            token=tokens.token,
            refresh_token=tokens.refresh_token,
            expires_in_s=tokens.expires_in_s,
            device_id=tokens.device_id,
            user=user,
        )

    async def refresh(self) -> Tokens | None:
        """Replace the access token now; None if there is no refresh token.

        Not needed in general: an expired token is refreshed by itself.
        """
        return await self._transport.renew_now()

    async def log_out(self) -> None:
        """Log this device out, and forget its tokens."""
        call = Call("POST", "/logout", repeatable=True, done=frozenset({401}))
        await self._transport.send(call)
        self._transport.forget()
        self._user_id = None

    async def devices(self) -> list[Device]:
        """All of one's own devices, the one seen last first."""
        return [device async for device in self.device_pages()]

    def device_pages(self, *, limit: int = 100) -> Pages[Device]:
        """One's own devices, the one seen last first, page by page."""
        return self._pages("/devices", Devices, limit)

    async def revoke_device(self, device_id: str) -> None:
        """Log one of one's devices out."""
        await self._transport.send(Call("DELETE", f"/devices/{quote(device_id, '')}", done=GONE))

    async def revoke_other_devices(self) -> None:
        """Log all of one's other devices out."""
        await self._transport.send(Call("DELETE", "/devices"))
