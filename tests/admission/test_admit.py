"""The admission stage: what it learns of a content's tempo, and makes of it."""

from dataclasses import replace

import pytest

from proxy.admission.memory import MemoryStore
from proxy.admission.policy import Lifetimes
from proxy.admission.redis import RedisStore
from proxy.admission.revocations import Revocation
from proxy.admission.store import Store
from proxy.admit import Admission, Limits
from proxy.errors import StreamEnded, TokenRevoked
from proxy.manifests.template import Template
from proxy.model import Playback, Subject
from proxy.streams import Decision, Outcome, Pace
from proxy.telemetry.metrics import Metrics
from tests.admission.samples import ACCOUNT, attempt, policy

SUBJECT = Subject(ACCOUNT)
LIVE = Template((b"",), Pace(live=True, interval=4), "", media_playlist=True)
NOW = 1_700_000_000.0


@pytest.fixture(params=["memory", "redis"])
def either(request: pytest.FixtureRequest, store: RedisStore) -> Store:
    return store if request.param == "redis" else MemoryStore(policy(), lambda: NOW)


def admission(store: Store, *, ttl: float = 30) -> Admission:
    limits = Limits(default=1, plans={}, routes={}, status=429)
    lifetimes = Lifetimes(ttl=ttl, live_ttl_factor=4, vod_ttl=90, max_hold=4 * 3600)
    return Admission(store, limits, lifetimes, Metrics("0", ()))


async def read(
    stage: Admission, playback: Playback, template: Template, *, is_entry: bool
) -> Decision:
    """Ask for a manifest, and take in what it says."""
    decision = await stage.decide(SUBJECT, playback, beat=False)
    await stage.learn(SUBJECT, playback, decision, template, is_entry=is_entry)
    return decision


async def test_an_entry_that_refreshes_itself_stays_ended_whatever_its_player_read_last(
    either: Store,
) -> None:
    """As in low-latency HLS, where a media playlist names its sisters by RENDITION-REPORT."""
    stage = admission(either)
    entry = attempt("a").playback
    started = await read(stage, entry, LIVE, is_entry=True)
    sister = replace(entry, instance_ms=started.started_ms)
    await read(stage, sister, LIVE, is_entry=False)
    assert await either.end(ACCOUNT, "a", by="operator")
    with pytest.raises(StreamEnded):
        await stage.decide(SUBJECT, entry, beat=False)


@pytest.mark.parametrize(
    ("interval", "ttl", "expected"),
    [(0.001, 30, 1), (0.999, 30, 1), (4, 30, 4), (0, 30, 10), (60, 30, 60), (0.001, 1.5, 0.5)],
)
async def test_a_stream_is_heard_of_as_often_as_it_promised_but_not_more_than_once_a_second(
    either: Store, interval: float, ttl: float, expected: float
) -> None:
    """Or an MPD that is refreshed each millisecond would have the store asked as often."""
    stage = admission(either, ttl=ttl)
    template = replace(LIVE, pace=Pace(live=True, interval=interval))
    playback = attempt("a").playback
    await read(stage, playback, template, is_entry=True)
    assert stage.beat_interval(playback.content) == expected


async def test_who_vouches_for_a_stream_needs_no_credential_and_every_viewer_does(
    either: Store,
) -> None:
    stage = admission(either)
    now_ms = 1_900_000_000_000  # later than either store's clock
    fresh = Subject(ACCOUNT, issued_at=now_ms / 1000)
    await either.revoke(ACCOUNT, Revocation(now_ms, before_ms=now_ms))
    playback = attempt("a").playback
    await stage.decide(fresh, playback, beat=False)
    assert (await stage.vouch(ACCOUNT, playback)).outcome is Outcome.RENEWED
    for refused in (stage.touch(SUBJECT, playback), stage.check(SUBJECT)):
        with pytest.raises(TokenRevoked):
            await refused
    await stage.check(fresh)
