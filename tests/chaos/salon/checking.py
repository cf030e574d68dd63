"""Holds what the people of a salon are shown to who may see what, once calm has returned.

How they stand to each other is taken from what the server shows of it, if that may be so by what
was acknowledged. All else must fit it exactly.
"""

from rookery.client import ClientError
from tests.chaos.faults import lost, wrong
from tests.chaos.salon.hearing import judge_heard, judge_told
from tests.chaos.salon.judging import Findings
from tests.chaos.salon.listing import judge_tweets
from tests.chaos.salon.network import judge_network
from tests.chaos.salon.reading import take
from tests.chaos.salon.salon import Salon, now_s
from tests.chaos.salon.speaking import Speaking
from tests.chaos.salon.standing import Calm, judge_standing


async def last_words(salon: Salon) -> None:
    """Everybody posts once more, then retweets and quotes, for the streams to tell of."""
    speakers = [each for each in salon.members if isinstance(each, Speaking)]
    for each in speakers:
        if await each.post() is None:
            text = f"{each.username} cannot post although calm has returned"
            salon.found.faults.append(lost(text))
    for each in speakers:
        await each.retweet()
        await each.quote()


async def look(salon: Salon) -> Findings:
    """Everything that is shown and must not be, or the other way round."""
    found = Findings()
    began_s = now_s()
    try:
        seen = await take(salon)
    except ClientError as error:
        text = f"reading does not work although calm has returned: {error!r}"
        return Findings([lost(text)])
    to_s = now_s()
    names = {each.id: each.username for each in salon.members}
    seeing = salon.seeing
    calm = Calm(seeing, seen, names, seeing.over(began_s, to_s))
    shown = judge_standing(found, calm)
    for viewer in seen:
        view = calm.view(viewer, shown)
        judge_network(found, calm, view, seen[viewer])
        judge_tweets(found, calm, view, seen[viewer])
    for member in salon.members:
        name, watcher = member.username, member.watcher
        found.faults += watcher.faults(name)
        if watcher.closed is not None:
            found.faults.append(wrong(f"the stream of {name} was closed: {watcher.closed}"))
        judge_heard(found, seeing, member.id, name, watcher.heard)
        judge_told(found, seeing, member.id, name, watcher.shown, now_s())
    return found
