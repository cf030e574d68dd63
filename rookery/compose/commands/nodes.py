"""``status``, ``address``, ``drain`` and ``undrain``: what runs where."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from rookery.cluster.controller import Controller
from rookery.compose.actors import singles
from rookery.compose.commands.served import Served, telling
from rookery.control import Command, single
from rookery.errors import RookeryError, StartupError

FIGURES_WITHIN_S = 2.0


class NodeCommands:
    """See the module."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.by_name: dict[str, Command] = {
            "address": single(self._address),
            "status": single(self._status),
            "drain": telling("drain", single(self._drain), "node"),
            "undrain": telling("undrain", single(self._undrain), "node"),
        }

    async def _address(self, arguments: Mapping[str, Any]) -> dict[str, str]:
        return {"http": self._served.http_url}

    async def _status(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        served = self._served
        return {
            "http": served.http_url,
            "live": served.live_urls,
            "runtime": served.config.server.runtime,
            "version": served.view.version,
            "nodes": await self._nodes(),
        }

    async def _nodes(self) -> list[dict[str, Any]]:
        """Each node with its actors and their figures; None for an actor that does not answer."""
        served = self._served
        alone = [spec.name for spec in singles(served.config, served.view)]
        if served.controller is None:
            everything = (*alone, *served.view.present.all)
            return [await self._node("", "localhost", "serving", everything)]
        nodes = [await self._node("", "", "anywhere", alone)]
        for placed in served.controller.nodes.placed.values():
            node, actors = placed.node, placed.actors.all
            nodes.append(await self._node(node.id, node.host, placed.state, actors))
        return nodes

    async def _node(self, id_: str, host: str, state: str, actors: Sequence[str]) -> dict[str, Any]:
        found = await asyncio.gather(*map(self._figures, actors))
        figures = dict(zip(actors, found, strict=True))
        return {"id": id_, "host": host, "state": state, "actors": figures}

    async def _figures(self, name: str) -> dict[str, float] | None:
        runtime = self._served.runtime
        try:
            async with asyncio.timeout(FIGURES_WITHIN_S):
                figures = dict(await runtime.ref(name).call("figures_now"))
        except (RookeryError, TimeoutError):
            return None
        if restarts := runtime.restarts().get(name, 0):
            figures["restarts"] = float(restarts)
        return figures

    async def _drain(self, arguments: Mapping[str, Any]) -> str:
        return await self._controller.drain(arguments["node"])

    async def _undrain(self, arguments: Mapping[str, Any]) -> str:
        return await self._controller.undrain(arguments["node"])

    @property
    def _controller(self) -> Controller:
        if self._served.controller is None:
            raise StartupError(
                "this server runs on one machine; nodes can be drained in a cluster only "
                "(ray.address and store.engine = mongo)"
            )
        return self._served.controller
