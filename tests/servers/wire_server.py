"""SecantusDB, ending after some seconds the transactions of clients that died in their midst.

MongoDB has a setting for that (transactionLifetimeLimitSeconds, 60 by default), SecantusDB none on
its command line. Until then, what such a client has written to is closed to everybody.
"""

import sys
from functools import partial

from secantus import cli  # type: ignore[import-untyped]

LIFETIME_S = 3.0

if __name__ == "__main__":
    cli.SecantusDBServer = partial(cli.SecantusDBServer, transaction_lifetime_seconds=LIFETIME_S)
    sys.exit(cli.main())
