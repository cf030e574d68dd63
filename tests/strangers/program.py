"""``python -m tests.strangers.program [--build NAME,…] serve …``: ``rookery``, whole or broken."""

import sys

from rookery.cli import main


def run() -> None:
    if sys.argv[1:2] == ["--build"]:
        from tests.strangers.broken import BUILDS

        for name in sys.argv[2].split(","):
            BUILDS[name]()
        del sys.argv[1:3]
    main()


if __name__ == "__main__":
    run()
