"""Tweets as lines on a terminal."""

from rookery.cli.terminal import Line, line
from rookery.client import MissingTweet, PushedTweet, Tweet, TweetCard

INSET = "  "
"""Before what a tweet refers to. Less than what the terminal puts before each further line of a
text, so that no text can look like a quoted tweet of somebody."""
BAR = "│ "
MISSING = {"deleted": "(a tweet that was deleted)", "hidden": "(a tweet that is not shown)"}


def tweet_lines(tweet: Tweet | PushedTweet, mark: str = "") -> list[Line]:
    """A tweet with its time and author; below it, indented, what it retweets or quotes.

    `mark` stands before its text.
    """
    time = (f"{tweet.created_at:%H:%M:%S}", "dim")
    author = f"@{tweet.author.username}"
    if tweet.retweet_of is not None:
        heading = line(time, (" ↻ ", "green"), (author, "cyan"), (" retweeted", "dim"))
        return [heading, _said(tweet.retweet_of, ""), *_quoted(tweet.retweet_of)]
    if tweet.retweet_of_id is not None:
        return [line(time, (" ↻ ", "green"), (author, "cyan"), (" retweeted a tweet", "dim"))]
    return [line(time, (f" {author} ", "cyan"), (mark, "yellow"), tweet.text), *_quoted(tweet)]


def _quoted(tweet: TweetCard) -> list[Line]:
    quoted = _quote_of(tweet)
    if quoted is None:
        return []
    if isinstance(quoted, MissingTweet):
        return [line((f"{INSET}{BAR}{MISSING[quoted.unavailable]}", "dim"))]
    return [_said(quoted, BAR)]


def _said(tweet: TweetCard, before: str) -> Line:
    """A tweet that another refers to, with `before` at the beginning of each of its lines."""
    text = tweet.text.replace("\n", f"\n{before}")
    return line((f"{INSET}{before}", "dim"), (f"@{tweet.author.username} ", "cyan"), text)


def who_says(tweet: Tweet | PushedTweet) -> list[tuple[str, str]]:
    """Who says what, for a table: the tweet, or what it retweets, and below it what that quotes."""
    who, shown = tweet.author.username, tweet.retweet_of or tweet
    if tweet.retweet_of is not None:
        who = f"{who} ↻ {shown.author.username}"
    elif tweet.retweet_of_id is not None:
        who = f"{who} ↻"
    quoted = _quote_of(shown)
    found = [(who, shown.text)]
    if isinstance(quoted, MissingTweet):
        found.append((BAR, MISSING[quoted.unavailable]))
    elif quoted is not None:
        found.append((f"{BAR}{quoted.author.username}", quoted.text))
    return found


def _quote_of(tweet: TweetCard) -> TweetCard | MissingTweet | None:
    """What a tweet quotes; what the stream brings of a retweeted one does not say."""
    return tweet.quote_of if isinstance(tweet, Tweet | PushedTweet) else None
