"""For tests of every kind."""

from rookery.logs import configure

configure("debug")  # As servers log: structlog by itself takes a tenth of a second for a traceback.
