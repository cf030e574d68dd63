"""The weighted length of a text, by twitter-text's configuration 3.

A URL weighs 23 whatever its length, an emoji 2 whatever it is made of, a code point of the light
ranges (Latin to Georgian, some spaces and punctuation) 1 and any other 2. The text is weighed in
normal form C.
"""

import re
import unicodedata

from rookery.text.emoji import MARKS, SEQUENCE
from rookery.text.entities import Url
from rookery.text.urls import extract_urls

URL_WEIGHT = 23
EMOJI_WEIGHT = 2

_LIGHT = re.compile(r"[\x00-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]++")


def normalise(text: str) -> str:
    """The form in which a text is kept: NFC, with `\\r\\n` as `\\n`."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def weighted_length(text: str) -> int:
    """How much of the limit a text takes up, once normalised."""
    text = normalise(text)
    return weigh(text, extract_urls(text))


def weigh(text: str, urls: tuple[Url, ...]) -> int:
    """The weighted length of a normalised text whose URLs are known."""
    if not urls:
        return _weigh_plain(text)
    weight = URL_WEIGHT * len(urls)
    end = 0
    for url in urls:
        weight += _weigh_plain(text[end : url.start])
        end = url.end
    return weight + _weigh_plain(text[end:])


def _weigh_plain(text: str) -> int:
    """The weight of text that holds no URL."""
    if text.isascii():
        return len(text)
    emoji = 0
    if MARKS.search(text):
        text, emoji = SEQUENCE.subn("", text)
    return EMOJI_WEIGHT * emoji + len(text) + len(_LIGHT.sub("", text))
