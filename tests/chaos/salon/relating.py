"""How members of a salon come to stand to each other."""

from collections.abc import Awaitable, Callable, Sequence

from rookery.client import FollowState
from tests.chaos.faults import leaked, lost, wrong
from tests.chaos.salon.asking import REFUSED, Asking, Effect
from tests.chaos.salon.history import History
from tests.chaos.salon.looking import look_around
from tests.chaos.salon.salon import Member, now_s
from tests.chaos.salon.seeing import Bond, Over, are_apart

ENDED_BY_BLOCK: tuple[Bond, ...] = ("follows", "asks")


class Relating(Asking):
    """Follows, asks, lets in, blocks, mutes, and turns private."""

    def _other(self) -> Member:
        return self.chance.choice([each for each in self.salon.members if each is not self])

    def _some_other(self, bond: Bond, *, is_theirs: bool = False) -> Member | None:
        """Somebody to whom one has such a bond; `is_theirs`: who has it to oneself."""
        found = [
            whom if not is_theirs else who
            for (who, whom), history in self.seeing.bonds(bond).items()
            if (whom if is_theirs else who) == self.id and history.last
        ]
        return self.salon.member(self.chance.choice(found)) if found else None

    async def follow(self) -> None:
        """Follow somebody, or ask to, as the answer tells."""
        other = self._other()
        async with self.salon.between(self.id, other.id):
            before = self.now()
            follows = self.seeing.bond("follows", self.id, other.id)
            asks = self.seeing.bond("asks", self.id, other.id)
            try:
                state = await self.ask(
                    lambda: self.client.follow(other.id),
                    (follows, (True,)),
                    (asks, (True, False)),
                    outcome=lambda state: (state.following, state.requested),
                )
            except REFUSED as error:
                if not are_apart(before, self.id, other.id).may:
                    self.fault(wrong(f"{self.username} cannot follow {other.username}: {error}"))
                return
            if state is not None:
                self._judge_follow(before, other, state)
                await look_around(self.salon, self.chance, self, other)

    def _judge_follow(self, before: Over, other: Member, state: FollowState) -> None:
        what = f"{self.username} follows {other.username}: {state}"
        is_private = before.is_private(other.id)
        if are_apart(before, self.id, other.id).must:
            self.fault(leaked(f"although there is a block, {what}"))
        if state.following and (is_private & ~before.between("follows", self.id, other.id)).must:
            self.fault(leaked(f"without being let in, {what}"))
        if not state.following and before.between("follows", self.id, other.id).must:
            self.fault(lost(f"no more, {what}"))
        if not state.following and not is_private.may:
            self.fault(wrong(f"although it is public, {what}"))
        if state.following == state.requested:
            self.fault(wrong(what))

    async def unfollow(self) -> None:
        """End that one follows somebody, or asks to."""
        other = self._other()
        await self._set(other, self.client.unfollow, ("follows", "asks"), False)

    async def approve(self) -> None:
        """Let somebody follow who asks to."""
        if (other := self._some_other("asks", is_theirs=True)) is None:
            return
        async with self.salon.between(self.id, other.id):
            asks = self.seeing.bond("asks", other.id, self.id)
            follows = self.seeing.bond("follows", other.id, self.id)
            before = self.now().between("asks", other.id, self.id)
            try:
                answer = await self.ask(
                    lambda: self._approve(other), (asks, (False,)), (follows, (True,))
                )
            except REFUSED as error:
                if before.must:
                    what = f"the request of {other.username} to {self.username}"
                    self.fault(lost(f"{what} cannot be approved: {error}"))
                return
            if answer:
                await look_around(self.salon, self.chance, self, other)

    async def _approve(self, other: Member) -> bool:
        await self.client.approve_follow_request(other.id)
        return True

    async def deny(self) -> None:
        """Refuse somebody who asks to follow."""
        if (other := self._some_other("asks", is_theirs=True)) is not None:
            await self._set(other, self._deny, ("asks",), False, is_theirs=True)

    async def _deny(self, other_id: int) -> bool:
        await self.client.deny_follow_request(other_id)
        return True

    async def drop(self) -> None:
        """End that somebody follows."""
        if (other := self._some_other("follows", is_theirs=True)) is not None:
            await self._set(other, self._drop, ("follows",), False, is_theirs=True)

    async def _drop(self, other_id: int) -> bool:
        await self.client.remove_follower(other_id)
        return True

    async def block(self) -> None:
        """A block ends follows and requests both ways."""
        other = self._other()
        ends: list[Effect] = [
            (self.seeing.bond(bond, who, whom), (False,))
            for who, whom in ((self.id, other.id), (other.id, self.id))
            for bond in ENDED_BY_BLOCK
        ]
        await self._set(other, self.client.block, ("blocks",), True, also=ends)

    async def unblock(self) -> None:
        if (other := self._some_other("blocks")) is not None:
            await self._set(other, self.client.unblock, ("blocks",), False)

    async def mute(self) -> None:
        await self._set(self._other(), self.client.mute, ("mutes",), True)

    async def unmute(self) -> None:
        if (other := self._some_other("mutes")) is not None:
            await self._set(other, self.client.unmute, ("mutes",), False)

    async def _set(
        self,
        other: Member,
        act: Callable[[int], Awaitable[object]],
        bonds: Sequence[Bond],
        value: bool,
        *,
        is_theirs: bool = False,
        also: Sequence[Effect] = (),
    ) -> None:
        """Change bonds to somebody (`is_theirs`: of somebody to oneself), and look at once.

        What one has oneself can always be ended; otherwise nothing is refused but for a block.
        """
        pair = (other.id, self.id) if is_theirs else (self.id, other.id)
        effects: list[Effect] = [(self.seeing.bond(bond, *pair), (value,)) for bond in bonds]
        async with self.salon.between(self.id, other.id):
            before = self.now()
            try:
                answer = await self.ask(lambda: act(other.id), *effects, *also)
            except REFUSED as error:
                is_own = bonds[0] in ("blocks", "mutes")
                ends_own = is_own and not value and before.between(bonds[0], *pair).must
                if ends_own or not are_apart(before, self.id, other.id).may:
                    what = f"{self.username} cannot set {bonds} of {other.username} to {value}"
                    self.fault(wrong(f"{what}: {error}"))
                return
            if answer is not None:
                await look_around(self.salon, self.chance, self, other)

    async def turn(self) -> None:
        """Turn private, or public, which approves all who ask."""
        others = [each for each in self.salon.members if each is not self]
        async with self.salon.between(self.id, *(each.id for each in others)):
            is_private = self.seeing.private(self.id)
            to = not is_private.last
            effects: list[Effect] = [(is_private, (to,))]
            approved = [] if to else self._approved(others)
            for asks, follows, is_sure in approved:
                effects.append((asks, (False,)))
                if is_sure:
                    effects.append((follows, (True,)))
                else:
                    follows.doubt(True, now_s())
            try:
                answer = await self.ask(lambda: self.client.update_privacy(is_private=to), *effects)
            except REFUSED as error:
                self.fault(wrong(f"{self.username} cannot turn: {error}"))
                return
            if answer is None or not self.was_told:
                # Then requests may be approved later, or stay, if it turns private before that.
                for asks, follows, _ in approved:
                    asks.doubt(True, now_s())
                    follows.doubt(False, now_s())
            if answer is not None:
                await look_around(self.salon, self.chance, self, self.chance.choice(others))

    def _approved(
        self, others: Sequence[Member]
    ) -> list[tuple[History[bool], History[bool], bool]]:
        """Requests of those who ask, or may: with the follow that each becomes, and if it must."""
        at = self.now()
        return [
            (
                self.seeing.bond("asks", other.id, self.id),
                self.seeing.bond("follows", other.id, self.id),
                asks.must,
            )
            for other in others
            if (asks := at.between("asks", other.id, self.id)).may
        ]
