"""All entities of a text together; where two overlap, the one that begins first stays."""

from rookery.text.cashtags import extract_cashtags
from rookery.text.entities import Cashtag, Entities, Hashtag, Mention, Url
from rookery.text.hashtags import find_hashtags
from rookery.text.mentions import extract_mentions_or_lists
from rookery.text.urls import extract_urls

_NOTHING = Entities()


def extract(text: str) -> Entities:
    """What a text holds. Never raises, whatever the text; offsets are into the text as given."""
    return extract_with_urls(text, extract_urls(text))


def extract_with_urls(text: str, urls: tuple[Url, ...]) -> Entities:
    """`extract` for a caller that has the text's URLs already."""
    mentions = extract_mentions_or_lists(text)
    hashtags = find_hashtags(text)
    cashtags = extract_cashtags(text)
    if not (mentions or hashtags or cashtags):
        return Entities(urls=urls) if urls else _NOTHING
    # Two of the others cannot overlap: none may hold the sign another begins with.
    if not urls:
        return Entities(mentions, hashtags, cashtags)
    return _without_overlaps([*urls, *mentions, *hashtags, *cashtags])


def extract_hashtags(text: str) -> tuple[Hashtag, ...]:
    """The hashtags alone, those within URLs left out."""
    hashtags = find_hashtags(text)
    if not hashtags:
        return ()
    return _without_overlaps([*extract_urls(text), *hashtags]).hashtags


def _without_overlaps(found: list[Url | Mention | Hashtag | Cashtag]) -> Entities:
    mentions, hashtags, cashtags, urls = [], [], [], []
    end = 0
    for entity in sorted(found, key=lambda entity: entity.start):
        if entity.start < end:
            continue
        end = entity.end
        match entity:
            case Mention():
                mentions.append(entity)
            case Hashtag():
                hashtags.append(entity)
            case Cashtag():
                cashtags.append(entity)
            case Url():
                urls.append(entity)
    return Entities(tuple(mentions), tuple(hashtags), tuple(cashtags), tuple(urls))
