"""``token``, ``sign-up``, ``suspend``, ``restore`` and ``rotate-keys``: who may sign in, decided by
an operator."""

import asyncio
from collections.abc import Mapping
from typing import Any

from rookery.compose.commands.served import Served, telling
from rookery.control import Command, single
from rookery.errors import RookeryError
from rookery.services.accounts.accounts import SignUp
from rookery.services.accounts.suspensions import Changed
from rookery.services.accounts.tokens import KEEP_UP_S

KEYS_WITHIN_S = 5.0


class AccountCommands:
    """See the module."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.by_name: dict[str, Command] = {
            "token": telling("token", single(self._token), "username"),
            "sign-up": telling("sign-up", single(self._sign_up), "username"),
            "suspend": telling("suspend", single(self._suspend), "username"),
            "restore": telling("restore", single(self._restore), "username"),
            "rotate-keys": telling("rotate-keys", single(self._rotate_keys), "revoke"),
        }

    async def _token(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        session = await self._served.use_cases.accounts.issue_for(arguments["username"])
        return {
            "userId": str(session.user.id),
            "username": session.user.username,
            "deviceId": session.device.device_id,
            "token": session.access_token,
            "refreshToken": session.refresh_token,
            "expiresIn": session.expires_in_s,
        }

    async def _sign_up(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Sign somebody up without counting it for an address; for load on one's own server."""
        asked = {name: arguments[name] for name in ("email", "username", "password", "name")}
        session = await self._served.use_cases.accounts.signup(SignUp(**asked))
        return {
            "userId": str(session.user.id),
            "token": session.access_token,
            "refreshToken": session.refresh_token,
            "expiresIn": session.expires_in_s,
        }

    async def _suspend(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return _account(await self._served.use_cases.suspensions.suspend(arguments["username"]))

    async def _restore(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return _account(await self._served.use_cases.suspensions.restore(arguments["username"]))

    async def _rotate_keys(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Sign with a new key; which processes have taken it in, and which did not answer."""
        served = self._served
        kid = await served.use_cases.keys.rotate(revoke=bool(arguments.get("revoke")))
        processes = sorted(served.view.present.surfaces)
        told = await asyncio.gather(*map(self._reload_keys, processes))
        missed = [name for name, took in zip(processes, told, strict=True) if not took]
        return {
            "key": kid,
            "processes": len(processes) - len(missed),
            "missed": missed,
            "withinS": KEEP_UP_S,
        }

    async def _reload_keys(self, name: str) -> bool:
        try:
            async with asyncio.timeout(KEYS_WITHIN_S):
                await self._served.runtime.ref(name).call("reload_keys")
        except (RookeryError, TimeoutError):
            return False
        return True


def _account(changed: Changed) -> dict[str, Any]:
    return {
        "userId": str(changed.user.id),
        "username": changed.user.username,
        "status": changed.user.status,
        "isTold": changed.is_told,
    }
