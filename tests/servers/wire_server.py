"""SecantusDB, with two things that MongoDB has and it lacks.

It ends after some seconds the transactions of clients that died in their midst. MongoDB has a
setting for that (transactionLifetimeLimitSeconds, 60 by default), SecantusDB none on its command
line. Until then, what such a client has written to is closed to everybody.

And it knows the command ``applyOps``, by which ``mongorestore --oplogReplay`` writes.
"""

import sys
from functools import partial
from typing import Any

from secantus import cli, commands, oplog_replay  # type: ignore[import-untyped]

LIFETIME_S = 3.0


def apply_ops(command: dict[str, Any], context: Any) -> dict[str, Any]:
    """Apply entries of an oplog, which may have been applied before."""
    storage = context.storage
    with storage.replay_mode():
        for entry in command["applyOps"]:
            if entry["op"] == "i":
                database, _, collection = entry["ns"].partition(".")
                known = {"_id": entry["o"]["_id"]}
                storage.delete_matching(database, collection, known, limit=1)
            oplog_replay._apply_entry(storage, entry)
    count = len(command["applyOps"])
    return {"ok": 1.0, "applied": count, "results": [True] * count}


if __name__ == "__main__":
    commands._HANDLERS["applyOps"] = apply_ops
    cli.SecantusDBServer = partial(cli.SecantusDBServer, transaction_lifetime_seconds=LIFETIME_S)
    sys.exit(cli.main())
