"""Settings: typed, each documented, validated once.

Leaf room. A setting comes from, in rising order of precedence: its default, the TOML file
(``--config``, else ``./rookery.toml`` if there is one), the environment
(``ROOKERY_<SECTION>_<NAME>``, e.g. ``ROOKERY_HTTP_PORT``), the command line. Every number has
bounds, and no message shows the password in an address.

A new setting is a field of its section in `sections`; where it may contradict another, a sentence
in `contradictions`.
"""

from rookery.config.loading import load
from rookery.config.sections import (
    ADDRESSES,
    ANY_ORIGIN,
    Auth,
    Config,
    Events,
    Http,
    Limits,
    Live,
    Ray,
    Redis,
    Section,
    Server,
    Store,
    Timelines,
    Tweets,
    origins_of,
    pairs_of,
    sections,
)
from rookery.config.sources import NOT_SETTINGS, ignored
from rookery.config.words import PREFIX

__all__ = [
    "ADDRESSES",
    "ANY_ORIGIN",
    "NOT_SETTINGS",
    "PREFIX",
    "Auth",
    "Config",
    "Events",
    "Http",
    "Limits",
    "Live",
    "Ray",
    "Redis",
    "Section",
    "Server",
    "Store",
    "Timelines",
    "Tweets",
    "ignored",
    "load",
    "origins_of",
    "pairs_of",
    "sections",
]
