"""The text of a post: what may be posted, how long it counts, and whom and what it names.

Leaf package: no I/O, nothing else of the project. The rules are twitter-text 3's. In the order of
use: `parse` does all of it; `validate`, `normalise`, `weighted_length` and `extract` are its
steps, and `extract_mentions` and the like the parts of `extract`.
"""

from rookery.text.cashtags import extract_cashtags
from rookery.text.entities import Cashtag, Entities, Hashtag, Mention, Url
from rookery.text.extraction import extract, extract_hashtags
from rookery.text.mentions import extract_mentions, extract_mentions_or_lists, reply_to
from rookery.text.urls import extract_urls
from rookery.text.validation import (
    DEFAULT_LIMIT,
    PROBLEM_CODES,
    Parsed,
    TextProblem,
    parse,
    validate,
)
from rookery.text.weights import normalise, weighted_length

__all__ = [
    "DEFAULT_LIMIT",
    "PROBLEM_CODES",
    "Cashtag",
    "Entities",
    "Hashtag",
    "Mention",
    "Parsed",
    "TextProblem",
    "Url",
    "extract",
    "extract_cashtags",
    "extract_hashtags",
    "extract_mentions",
    "extract_mentions_or_lists",
    "extract_urls",
    "normalise",
    "parse",
    "reply_to",
    "validate",
    "weighted_length",
]
