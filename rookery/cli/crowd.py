"""What the people of ``rookery demo`` do."""

import asyncio
import random
import time

from rookery.cli.console import err
from rookery.client import ApiError, Client, ConnectionFailed, Tweet

TOPICS = (
    "coffee", "rain", "chess", "cycling", "python", "tea", "astronomy", "poetry", "music", "bread",
)  # fmt: skip
"""Words that take a verb in the singular."""
OPENERS = (
    "Nothing beats {topic} in the morning #{topic}",
    "@{other} have you seen the news about {topic}?",
    "I could talk about {topic} all day, @{other} knows",
    "Unpopular opinion: {topic} is overrated #{topic}",
    "Reading about {topic} again… #{topic} #today",
    "Who is up for {topic} tonight? @{other}?",
)
COMMENTS = ("This!", "Worth reading", "I keep coming back to this", "Told you so")
REPLIES = ("Absolutely!", "Not so sure about that.", "Ha, tell me more", "Count me in", "+1")


class Crowd:
    """People who act at random. What `shy` posts is not for all of them, so only posted."""

    def __init__(self, clients: dict[str, Client], draw: random.Random, shy: str | None) -> None:
        self._clients = clients
        self._shy = shy
        self._draw = draw
        self._recent: list[str] = []
        self.posts = self.replies = self.retweets = self.quotes = self.likes = 0

    async def act(self, seconds: float, rate: float) -> None:
        """Act for some time, `rate` times a second in the mean."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            name = self._draw.choice(list(self._clients))
            try:
                await self.one(name)
            except (ApiError, ConnectionFailed) as error:
                err.print(f"{name}: {error}", style="yellow")
            await asyncio.sleep(self._draw.expovariate(rate))

    async def one(self, name: str) -> None:
        """Let somebody do something."""
        client, choice = self._clients[name], self._draw.random()
        if not self._recent or choice >= 0.65:
            tweet = await self._post(name)
        elif choice < 0.35:
            await client.like(self._draw.choice(self._recent))
            self.likes += 1
            return
        elif choice < 0.45:
            await client.retweet(self._draw.choice(self._recent))
            self.retweets += 1
            return
        elif choice < 0.5:
            target, comment = self._draw.choice(self._recent), self._draw.choice(COMMENTS)
            tweet = await client.retweet(target, comment)
            self.quotes += 1
        else:
            target = self._draw.choice(self._recent)
            tweet = await client.post(self._draw.choice(REPLIES), reply_to=target)
            self.replies += 1
        if name != self._shy:
            self._recent = [*self._recent[-30:], tweet.id]

    async def _post(self, name: str) -> Tweet:
        other = self._draw.choice([each for each in self._clients if each != name])
        text = self._draw.choice(OPENERS).format(topic=self._draw.choice(TOPICS), other=other)
        tweet = await self._clients[name].post(text)
        self.posts += 1
        return tweet
