"""``rookery admin …``: what an operator does to a running server."""

from typing import Annotated

import typer

from rookery.cli.auditing import auditing
from rookery.cli.console import ConfigOption, DataOption, complain, err, out, run, settings
from rookery.config import Config

app = typer.Typer(
    help="Commands for the operator of a running server.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(short_help="Print an access token for a user, without a password.")
def token(
    user: Annotated[str, typer.Argument(help="Username.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Print an access token for USER, without a password (loaded accounts have none).

    The token goes to standard output, alone, so that it can be used as $(rookery admin token X).
    """
    chosen = settings(config, data)
    run(_token(chosen, user))


async def _token(config: Config, user: str) -> None:
    from pathlib import Path

    from rookery.control import Control

    async with Control(Path(config.server.data_dir)) as control:
        session = await control.call("token", username=user)
    out.print(session["token"], soft_wrap=True)
    err.print(
        f"for {session['username']} (id {session['userId']}),"
        f" valid for {session['expiresIn']:.0f} s; refresh token: {session['refreshToken']}",
        style="dim",
        soft_wrap=True,
    )


@app.command(short_help="Suspend an account: it is logged out, and nobody sees it.")
def suspend(
    user: Annotated[str, typer.Argument(help="Username.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Suspend USER: all devices are logged out, none can log in, and nobody but moderators sees the
    profile and what it posted, until `rookery admin restore`.

    Exit status 1: a process did not answer; it takes that in within half a minute.
    """
    _change_account("suspend", settings(config, data), user)


@app.command(short_help="End the suspension of an account.")
def restore(
    user: Annotated[str, typer.Argument(help="Username.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """End the suspension of USER, who may log in again, and is seen again as before.

    Exit status as of `rookery admin suspend`.
    """
    _change_account("restore", settings(config, data), user)


def _change_account(command: str, config: Config, user: str) -> None:
    if not run(_changed(command, config, user)):
        raise typer.Exit(1)


async def _changed(command: str, config: Config, user: str) -> bool:
    from pathlib import Path

    from rookery.control import Control

    async with Control(Path(config.server.data_dir)) as control:
        done = await control.call(command, username=user)
    out.print(f"{done['username']} (id {done['userId']}) is {done['status']}")
    if not done["isTold"]:
        complain(
            "a process did not answer, and takes that in within half a minute if it runs. Run the"
            " command again to be sure"
        )
    return bool(done["isTold"])


@app.command("rotate-keys", short_help="Sign new access tokens with a new key.")
def rotate_keys(
    revoke: Annotated[
        bool,
        typer.Option(
            "--revoke",
            help="Refuse what the former keys signed from now on (a key has leaked): clients"
            " renew their tokens, nobody is logged out.",
        ),
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Sign new access tokens with a new key; tokens in use stay valid until they expire.

    Returns when every process has taken the key in. Exit status 1: some did not answer; they are
    named.
    """
    chosen = settings(config, data)
    if not run(_rotate(chosen, revoke)):
        raise typer.Exit(1)


async def _rotate(config: Config, revoke: bool) -> bool:
    from pathlib import Path

    from rookery.control import Control

    async with Control(Path(config.server.data_dir)) as control:
        done = await control.call("rotate-keys", revoke=revoke)
    ended = "; what former keys signed is refused, and its streams are closed" if revoke else ""
    out.print(
        f"access tokens are signed with key {done['key']} in all {done['processes']} processes that"
        f" answered{ended}"
    )
    if done["missed"]:
        complain(
            f"no answer from {', '.join(done['missed'])}: what is said above is true of them at the"
            f" latest {done['withinS']:.0f} s from now if they run, and when they start again. Run"
            " the command again to be sure"
        )
    return not done["missed"]


@app.command("shard-collections", short_help="Shard the collections of a MongoDB cluster.")
def shard_collections(data: DataOption = None, config: ConfigOption = None) -> None:
    """Spread the collections over the shards of a MongoDB cluster; the server may run meanwhile.

    For store.engine = mongo with store.mongo_uri at a router (mongos). May be run again.
    """
    chosen = settings(config, data)
    run(_shard(chosen))


async def _shard(config: Config) -> None:
    from rookery.errors import ConfigError

    if config.store.engine != "mongo":
        raise ConfigError(
            "only MongoDB has shards: set store.engine = mongo and store.mongo_uri to a router "
            "(mongos) of a sharded cluster"
        )
    from rookery.store.mongo.sharding import shard_collections
    from rookery.store.schema import COLLECTIONS

    with auditing(config, "shard-collections"):
        async for name, field in shard_collections(config.store, COLLECTIONS):
            out.print(f"{name} is sharded by {field} (hashed)")
