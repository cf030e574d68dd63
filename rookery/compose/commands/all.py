"""Every command that the control channel takes."""

from rookery.compose.commands.accounts import AccountCommands
from rookery.compose.commands.events import EventCommands
from rookery.compose.commands.nodes import NodeCommands
from rookery.compose.commands.posts import PostCommands
from rookery.compose.commands.served import Served
from rookery.compose.commands.upkeep import UpkeepCommands
from rookery.control import Command

_CONCEPTS = (NodeCommands, AccountCommands, PostCommands, UpkeepCommands, EventCommands)


def commands_of(served: Served) -> dict[str, Command]:
    """The commands by name, for one server."""
    found: dict[str, Command] = {}
    for concept in _CONCEPTS:
        found |= concept(served).by_name
    return found
