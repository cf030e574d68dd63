"""What users and tweets are called in the paths of requests. Imports nothing of the project."""

from typing import TypeAlias
from urllib.parse import quote

Id: TypeAlias = str | int
UserId: TypeAlias = str | int
"""A user's id, or a name with an ``@`` before it: names may consist of digits alone."""


def id_in_path(value: Id) -> str:
    """`value` as it stands in a path.

    Raises:
        ValueError: it is no id.
    """
    text = str(value)
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"not an id: {value!r}")
    return text


def user_path(value: UserId) -> str:
    """The path of a user, by id or by name.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str) and value.startswith("@"):
        return f"/users/by/username/{quote(value[1:], '')}"
    return f"/users/{id_in_path(value)}"
