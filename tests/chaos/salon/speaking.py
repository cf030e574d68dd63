"""What members of a salon say, show to others and take back."""

import uuid
from collections.abc import Awaitable, Callable

from rookery.actors.broadcast import WAIT_S
from rookery.client import NotFound, Tweet
from tests.chaos.faults import doubled, leaked, lost
from tests.chaos.salon.asking import REFUSED, TOLD_WITHIN_S, Asking, Effect
from tests.chaos.salon.history import History, Maybe
from tests.chaos.salon.judging import described
from tests.chaos.salon.looking import look_at_change
from tests.chaos.salon.salon import now_s
from tests.chaos.salon.seeing import Said, sees

RETWEET_TOLD_WITHIN_S = WAIT_S
"""As `TOLD_WITHIN_S`, of retweets, which are not told for so long."""
RECENT = 60


class Speaking(Asking):
    """Posts, retweets, quotes, edits, deletes and undoes."""

    _numbers = 0

    async def post(self) -> Said | None:
        said = self._new()
        text = said.text.first
        return await self._say(said, lambda key: self.client.post(text, idempotency_key=key))

    async def retweet(self) -> Said | None:
        """Retweet something that is to be seen."""
        original = self._some(lambda each: each.original is None and self._may_show(each))
        return None if original is None else await self._show(original, self._new(original))

    async def quote(self) -> Said | None:
        """Quote something that is to be seen."""
        quoted = self._some(lambda each: each.original is None and self._may_show(each))
        return None if quoted is None else await self._show(quoted, self._new(None, quoted))

    def _new(self, original: Said | None = None, quoted: Said | None = None) -> Said:
        self._numbers += 1
        text = "" if original is not None else f"{self.username} notes {self._numbers}"
        return Said(0, self.id, History(text), original, quoted, now_s(), alive=History(False))

    def _may_show(self, said: Said) -> bool:
        """Whether it surely can be seen, and shown to others."""
        at = self.now()
        is_public = said.author_id == self.id or not at.is_private(said.author_id).may
        return is_public and sees(at, self.id, said).must

    async def _show(self, shown: Said, said: Said) -> Said | None:
        """Retweet or quote; that is refused where it may be only if it cannot be any more."""

        def due() -> Maybe:
            at = self.seeing.over(said.began_s, now_s())
            found = sees(at, self.id, shown)
            return found if shown.author_id == self.id else found & ~at.is_private(shown.author_id)

        text = said.text.first or None
        try:
            found = await self._say(
                said, lambda key: self.client.retweet(shown.id, text, idempotency_key=key)
            )
        except REFUSED as error:
            if due().must:
                self.fault(lost(f"{self.username} cannot show {described(shown)}: {error}"))
            return None
        if found is not None and not due().may:
            self.fault(leaked(f"{self.username} could show {described(shown)}"))
        return found

    async def _say(self, said: Said, act: Callable[[str], Awaitable[Tweet]]) -> Said | None:
        """Post something; what is there then, which may be a former retweet of the same.

        Raises:
            NotFound, Forbidden: what it shows cannot be shown.
        """
        key = str(uuid.uuid4())
        effect: Effect = (said.alive, (True,))
        within_s = TOLD_WITHIN_S if said.original is None else RETWEET_TOLD_WITHIN_S
        self.seeing.unanswered.append(said)
        try:
            tweet = await self.ask(lambda: act(key), effect, told_within_s=within_s)
        except REFUSED:
            if not said.alive.changes:
                self.seeing.unanswered.remove(said)
            raise
        if tweet is None:
            return None
        self.seeing.unanswered.remove(said)
        said.answered_s = now_s()
        said.id = int(tweet.id)
        said.is_counted = ~self.seeing.over(said.began_s, said.answered_s).is_private(self.id)
        known = self.seeing.add(said)
        self._compare(said, known)
        return known

    def _compare(self, said: Said, known: Said) -> None:
        """A retweet that was answered is the one that there was, if there was one."""
        if known is not said and (known.original is not said.original or said.original is None):
            self.fault(doubled(f"two tweets have the id {said.id}"))
        if said.original is None:
            return
        at = self.seeing.over(said.began_s, said.answered_s)
        if known is not said and not at.is_alive(known).may:
            self.fault(leaked(f"{described(known)} was taken back and is there"))
        for other in [*self.seeing.tweets.values()]:
            is_of_same = (other.author_id, other.original) == (self.id, said.original)
            if is_of_same and other is not known and at.is_alive(other).must:
                self.fault(doubled(f"{described(known)} is there as {other.id} too"))

    async def undo(self) -> None:
        """Take a retweet back, whatever became of what it shows."""
        mine = self._some(lambda each: each.original is not None and self._has(each))
        if mine is None:
            return
        assert mine.original is not None
        original_id = mine.original.id
        if await self.ask(lambda: self.client.undo_retweet(original_id), (mine.alive, (False,))):
            await self._see(mine)

    async def edit(self) -> None:
        if (mine := self._some(lambda each: each.original is None and self._has(each))) is None:
            return
        self._numbers += 1
        text = f"{self.username} corrects {self._numbers}"
        try:
            if await self.ask(lambda: self.client.edit_tweet(mine.id, text), (mine.text, (text,))):
                await self._see(mine)
        except NotFound:
            self.fault(lost(f"{described(mine)} is not there to be edited"))

    async def delete(self) -> None:
        if (mine := self._some(lambda each: each.original is None and self._has(each))) is None:
            return
        try:
            await self.ask(lambda: self._delete(mine), (mine.alive, (False,)))
        except NotFound:
            if self._has(mine):
                self.fault(lost(f"{described(mine)} is not there to be deleted"))
            mine.alive.settle(False, now_s())
        await self._see(mine)

    async def _delete(self, said: Said) -> bool:
        await self.client.delete_tweet(said.id)
        return True

    def _has(self, said: Said) -> bool:
        return said.author_id == self.id and self.now().is_alive(said).must

    def _some(self, fits: Callable[[Said], bool]) -> Said | None:
        found = [each for each in [*self.seeing.tweets.values()][-RECENT:] if fits(each)]
        return self.chance.choice(found) if found else None

    async def _see(self, said: Said) -> None:
        """See that somebody is shown at once what has become of a tweet."""
        viewer = self.chance.choice(self.salon.members)
        await look_at_change(self.salon, self.chance, viewer, said)
