"""Rookery: a realtime timeline server."""

__version__ = "0.1.0"
