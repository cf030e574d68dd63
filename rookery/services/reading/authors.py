"""The users who write tweets or are mentioned in them, from a small cache."""

from collections.abc import Callable, Iterable

from rookery.domain.generations import Generations
from rookery.errors import NotFound
from rookery.events.encoding import without_secrets
from rookery.models import User
from rookery.services.batching import Batcher
from rookery.services.ports import Invalidation
from rookery.store.engine import Store
from rookery.store.records.users import Users, username_key

TTL_MS = 30_000
CAPACITY = 20_000


class Authors:
    """Reads users by id, as others may know them; a value may be `ttl_ms` old where an invalidation
    did not arrive."""

    def __init__(
        self,
        store: Store,
        clock_ms: Callable[[], int],
        *,
        ttl_ms: int = TTL_MS,
        capacity: int = CAPACITY,
    ) -> None:
        self._users = Users(store.reader)
        self._clock_ms = clock_ms
        self._ttl_ms = ttl_ms
        self._cache: Generations[int, tuple[User, int]] = Generations(capacity)
        self._invalidations = 0
        self._ids: Generations[str, int] = Generations(capacity)
        self._named = Batcher(self._users.ids_of_usernames)
        self._missed = Batcher(self._load)

    async def get(self, user_id: int) -> User:
        """The user with this id.

        Raises:
            NotFound: there is none.
        """
        found = self._cache.get(user_id)
        if found is not None and found[1] > self._clock_ms():
            return found[0]
        user = (await self.many([user_id])).get(user_id)
        if user is None:
            raise NotFound("User not found")
        return user

    async def many(self, user_ids: Iterable[int]) -> dict[int, User]:
        """The users with these ids, by id; missing ones are left out."""
        now_ms = self._clock_ms()
        users: dict[int, User] = {}
        missing: list[int] = []
        for user_id in set(user_ids):
            found = self._cache.get(user_id)
            if found is not None and found[1] > now_ms:
                users[user_id] = found[0]
            else:
                missing.append(user_id)
        if missing:
            loaded = await self._missed.request(missing)
            users.update({each: loaded[each] for each in missing if each in loaded})
        return users

    async def ask_again(self, user_id: int) -> None:
        """Ask the store for a user whether it is cached or not; see `Entries.ask_again`."""
        await self._missed.request([user_id])

    async def _load(self, user_ids: list[int]) -> dict[int, User]:
        invalidations = self._invalidations
        until_ms = self._clock_ms() + self._ttl_ms
        loaded = {
            user.id: without_secrets(user)
            for user in await self._users.get_many(user_ids)
            if user is not None
        }
        # What was read before an invalidation may be what it was about.
        if invalidations == self._invalidations:
            for user_id, user in loaded.items():
                self._cache.put(user_id, (user, until_ms))
        return loaded

    async def ids_of_usernames(self, usernames: Iterable[str]) -> dict[str, int]:
        """The ids by lower-case username (`username_key`); names of nobody are left out.

        A name belongs to its user for good, so what was found need not be looked at again.
        """
        ids: dict[str, int] = {}
        missing: list[str] = []
        for name in {username_key(name) for name in usernames if name.isascii()}:
            found = self._ids.get(name)
            if found is None:
                missing.append(name)
            else:
                ids[name] = found
        if missing:
            found_now = await self._named.request(missing)
            for name in missing:
                if name in found_now:
                    ids[name] = found_now[name]
                    self._ids.put(name, ids[name])
        return ids

    def invalidate(self, change: Invalidation) -> None:
        """Forget the users that changed."""
        if change.users:
            self._invalidations += 1
            for user_id in change.users:
                self._cache.discard(user_id)
