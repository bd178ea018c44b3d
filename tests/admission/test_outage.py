"""A store that goes away and comes back: a real Redis, killed, restarted, and made to hang."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from proxy.admission import shadow
from proxy.admission.breaker import BACKOFF
from proxy.admission.ledger import RELEASED_MS
from proxy.admission.policy import OnOutage, Rule
from proxy.admission.redis import RedisStore
from proxy.admission.revocations import Revocation
from proxy.errors import StoreUnavailable
from proxy.model import Stray, Subject
from proxy.redis_client import cause
from proxy.streams import Decision, EndReason, Intent, Outcome
from tests.admission.guarded import PATIENT, START, guarded
from tests.admission.samples import ACCOUNT, FILM, KEPT, LIVE, TTL, attempt, policy
from tests.support.redis_server import RedisServer


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


# --- While the store answers ---


async def test_the_store_s_word_counts_while_it_answers(server: RedisServer) -> None:
    async with guarded(server) as home:
        told = await home.watch("a", "b", "c", "a")
        assert told == [Outcome.ADMITTED, Outcome.ADMITTED, Outcome.REFUSED, Outcome.RENEWED]
        assert await home.listed() == ["a", "b"]
        assert await home.guard.release(ACCOUNT, "a") is not None
        assert len(await home.guard.end(ACCOUNT, None, by="admin")) == 1
        assert home.guard.available
        assert home.changes == []


@pytest.mark.parametrize(
    "fault",
    [("REPLICAOF", "127.0.0.1", "1"), ("CONFIG", "SET", "maxmemory", "1")],
    ids=["replica", "full"],
)
async def test_a_redis_that_only_answers_stays_away(
    server: RedisServer, fault: tuple[str, ...]
) -> None:
    """A replica answers PING and lists; so does a Redis that is full."""
    async with guarded(server) as home, Redis.from_url(server.url) as redis:
        await home.watch("a")
        await redis.execute_command(*fault)  # type: ignore[no-untyped-call]  # redis-py has no types here
        for _ in range(3):
            home.now += BACKOFF
            assert await home.watch("b", limit=9) in ([Outcome.ADMITTED], [Outcome.UNCHECKED])
            home.now += BACKOFF
            assert len(await home.listed()) >= 1
            home.now += BACKOFF
            with pytest.raises(StoreUnavailable):
                await home.guard.ping()
        assert len(home.changes) == 1
        assert not home.guard.available


async def test_what_the_store_told_to_have_lapsed_is_not_told_again_in_an_outage(
    server: RedisServer,
) -> None:
    async with guarded(server) as home:
        await home.watch("a")
        home.now += TTL / 1000
        [told] = await home.guard.drop_lapsed([ACCOUNT])
        assert [one.stream.id for one in told.ended] == ["a"]
        server.stop()
        alone = await home.guard.decide(attempt("b"))
        assert (alone.outcome, alone.ended) == (Outcome.ADMITTED, ())
        with pytest.raises(StoreUnavailable):
            await home.guard.drop_lapsed([ACCOUNT])


async def test_a_number_that_is_not_to_be_had_is_no_outage(server: RedisServer) -> None:
    async with guarded(server) as home:
        await home.watch("a", "b")
        assert await home.guard.active() == {"live": 2}
        server.stop()
        with pytest.raises(StoreUnavailable):
            await home.guard.active()
        assert home.guard.available
        assert home.changes == []


@pytest.mark.parametrize("mode", OnOutage)
async def test_without_the_store_those_that_play_here_are_counted(
    server: RedisServer, mode: OnOutage
) -> None:
    async with guarded(server, mode) as home:
        await home.watch("a")
        await home.redis.decide(attempt("b"))
        assert await home.guard.active() == {"live": 2}
        server.stop()
        await home.watch("a")
        assert await home.guard.active() == {"live": 1}
        home.now += TTL / 1000
        assert await home.guard.active() == {}


async def test_streams_that_began_without_the_store_are_counted_in_it_when_it_is_back(
    server: RedisServer,
) -> None:
    async with guarded(server) as home:
        server.stop()
        await home.watch("a", "b")
        await home.return_of_redis()
        await home.watch("a", "b")
        assert await home.redis.active() == {"live": 2}


# --- Known streams ---


@pytest.mark.parametrize("mode", OnOutage)
async def test_known_streams_play_on_in_every_mode(server: RedisServer, mode: OnOutage) -> None:
    async with guarded(server, mode) as home:
        first = await home.guard.decide(attempt("a"))
        server.stop()
        known = attempt("a", instance_ms=first.started_ms, beat=True)
        told = await home.guard.decide(known)
        assert told.outcome is Outcome.UNCHECKED
        assert (told.started_ms, told.stream, told.limit) == (first.started_ms, "a", 2)
        touch = replace(known, intent=Intent.TOUCH, cadence=KEPT)
        assert await home.ask(touch) is Outcome.UNCHECKED
        assert await home.ask(replace(known, intent=Intent.PEEK)) is Outcome.UNCHECKED


async def test_a_stream_is_known_for_as_long_as_its_slot_lives(server: RedisServer) -> None:
    async with guarded(server, OnOutage.CLOSED) as home:
        await home.watch("a", "b")
        await home.guard.amend(ACCOUNT, "b", FILM)
        server.stop()
        home.now += TTL / 1000
        with pytest.raises(StoreUnavailable):
            await home.watch("a")
        assert await home.watch("b") == [Outcome.UNCHECKED]


@pytest.mark.parametrize("mode", OnOutage)
async def test_what_was_ended_stays_ended(server: RedisServer, mode: OnOutage) -> None:
    async with guarded(server, mode) as home:
        told = await home.guard.decide(attempt("a"))
        await home.guard.end(ACCOUNT, "a", by="the operator")
        server.stop()
        late = await home.guard.decide(attempt("a", instance_ms=told.started_ms))
        assert (late.outcome, late.reason) == (Outcome.ENDED, EndReason.KILLED)


async def test_an_end_here_reaches_what_started_by_a_clock_ahead_of_ours(
    server: RedisServer,
) -> None:
    async with guarded(server) as home:
        home.redis_ahead = 3_600.0
        told = await home.guard.decide(attempt("a"))
        server.stop()
        with pytest.raises(StoreUnavailable):
            await home.guard.end(ACCOUNT, "a", by="admin")
        assert await home.ask(attempt("a", instance_ms=told.started_ms)) is Outcome.ENDED


async def test_a_stream_that_gave_way_in_the_store_does_not_play_on_without_it(
    server: RedisServer,
) -> None:
    async with guarded(server) as home:
        old = await home.guard.decide(attempt("a", device="tv", strong=True, limit=1))
        new = await home.ask(attempt("b", device="tv", strong=True, limit=1))
        assert new is Outcome.TAKEOVER
        server.stop()
        late = await home.guard.decide(attempt("a", instance_ms=old.started_ms, limit=1))
        assert (late.outcome, late.reason) == (Outcome.ENDED, EndReason.SUPERSEDED)


async def test_a_stream_another_proxy_ended_is_known_to_be_over(server: RedisServer) -> None:
    async with guarded(server) as home:
        told = await home.guard.decide(attempt("a"))
        await home.redis.end(ACCOUNT, "a", by="another proxy")
        ended = attempt("a", instance_ms=told.started_ms)
        assert await home.ask(ended) is Outcome.ENDED
        server.stop()
        assert await home.ask(ended) is Outcome.ENDED


async def test_a_new_instance_outlives_what_is_said_of_an_older_one(server: RedisServer) -> None:
    async with guarded(server, OnOutage.CLOSED) as home:
        old = await home.guard.decide(attempt("a"))
        await home.guard.end(ACCOUNT, "a", by="admin")
        new = await home.guard.decide(attempt("a"))
        assert await home.ask(attempt("a", instance_ms=old.started_ms)) is Outcome.ENDED
        server.stop()
        known = attempt("a", instance_ms=new.started_ms)
        assert await home.ask(known) is Outcome.UNCHECKED


async def test_an_end_is_not_stretched_to_an_instance_that_came_after_it(
    server: RedisServer,
) -> None:
    async with guarded(server) as home:
        old = await home.guard.decide(attempt("a"))
        await home.redis.end(ACCOUNT, "a", by="admin")
        home.now += 1
        new = await home.redis.decide(attempt("a"))
        home.now += 1
        assert await home.ask(attempt("a", instance_ms=old.started_ms)) is Outcome.ENDED
        server.stop()
        assert await home.ask(attempt("a", instance_ms=old.started_ms)) is Outcome.ENDED
        assert await home.ask(attempt("a", instance_ms=new.started_ms)) is Outcome.ADMITTED


async def test_an_instance_that_another_proxy_started_is_known_for_what_it_is(
    server: RedisServer,
) -> None:
    async with guarded(server, OnOutage.CLOSED) as home:
        old = await home.guard.decide(attempt("a"))
        await home.redis.end(ACCOUNT, "a", by="admin")
        new = await home.redis.decide(attempt("a"))
        known = attempt("a", instance_ms=new.started_ms)
        assert await home.ask(known) is Outcome.RENEWED
        assert await home.ask(attempt("a", instance_ms=old.started_ms)) is Outcome.ENDED
        server.stop()
        assert await home.ask(known) is Outcome.UNCHECKED


async def test_a_stream_first_met_by_a_touch_is_known_once_more_is_known_of_it(
    server: RedisServer,
) -> None:
    async with guarded(server, OnOutage.CLOSED) as home:
        await home.redis.decide(attempt("a"))
        touch = attempt("a", intent=Intent.TOUCH, cadence=KEPT)
        assert await home.ask(touch) is Outcome.RENEWED
        guess = attempt("a", cadence=replace(LIVE, guess=True))
        assert await home.ask(guess) is Outcome.RENEWED
        server.stop()
        assert await home.ask(touch) is Outcome.UNCHECKED


async def test_a_stray_is_known_by_its_own_name(server: RedisServer) -> None:
    async with guarded(server, OnOutage.CLOSED) as home:
        wanted = attempt("a", limit=3)
        told = []
        for network in ("home", "mobile", "neighbour"):
            playback = replace(wanted.playback, network=network, stray=Stray("s", "s device"))
            told.append(await home.guard.decide(replace(wanted, playback=playback)))
        assert [one.stream for one in told] == ["a", "a", "s"]
        server.stop()
        assert await home.ask(attempt("s", device="s device")) is Outcome.UNCHECKED


async def test_the_last_request_of_a_released_stream_makes_it_known_no_more(
    server: RedisServer,
) -> None:
    async with guarded(server, OnOutage.CLOSED) as home:
        told = await home.guard.decide(attempt("a"))
        await home.guard.release(ACCOUNT, "a")
        last = attempt("a", instance_ms=told.started_ms)
        assert await home.ask(last) is Outcome.RENEWED
        server.stop()
        home.now += RELEASED_MS / 1000
        with pytest.raises(StoreUnavailable):
            await home.ask(last)


async def test_a_peek_makes_nothing_known(server: RedisServer) -> None:
    async with guarded(server, OnOutage.CLOSED) as home:
        peek = attempt("a", intent=Intent.PEEK)
        assert await home.ask(peek) is Outcome.ADMITTED
        server.stop()
        with pytest.raises(StoreUnavailable):
            await home.ask(peek)


async def test_only_so_many_accounts_are_remembered(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "MAX_REMEMBERED", 1)
    async with guarded(server, OnOutage.CLOSED) as home:
        await home.ask(attempt("a", account="first"))
        await home.ask(attempt("a", account="second"))
        server.stop()
        assert await home.ask(attempt("a", account="first")) is Outcome.UNCHECKED
        with pytest.raises(StoreUnavailable):
            await home.ask(attempt("a", account="second"))


async def test_a_call_that_no_request_waits_for_declares_no_outage(server: RedisServer) -> None:
    async with guarded(server) as home:
        server.stop()
        with pytest.raises(StoreUnavailable):
            await home.guard.drop_lapsed([ACCOUNT])
        assert home.guard.available
        assert home.changes == []


# --- New streams ---


async def test_local_counts_new_streams_beside_the_known_ones(server: RedisServer) -> None:
    async with guarded(server, OnOutage.LOCAL) as home:
        await home.watch("a")
        server.stop()
        assert await home.watch("b", "c") == [Outcome.ADMITTED, Outcome.REFUSED]
        assert await home.listed() == ["a", "b"]
        assert await home.guard.release(ACCOUNT, "a") is not None
        assert await home.watch("c") == [Outcome.ADMITTED]
        with pytest.raises(StoreUnavailable):
            await home.guard.end(ACCOUNT, None, by="admin")
        assert await home.listed() == [], "they are ended here, and asked for again there"


async def test_local_lets_play_on_what_another_proxy_let_in(server: RedisServer) -> None:
    """As for a viewer who zapped just before, and whom a balancer now sends here."""
    async with guarded(server, OnOutage.LOCAL) as home:
        await home.watch("a", "b")
        await home.redis.release(ACCOUNT, "b")
        elsewhere = await home.redis.decide(attempt("c"))
        server.stop()
        known = attempt("c", instance_ms=elsewhere.started_ms, beat=True)
        assert await home.ask(known) is Outcome.UNCHECKED
        assert await home.listed() == ["a", "b", "c"]
        assert await home.watch("d") == [Outcome.REFUSED]


async def test_local_lets_a_device_zap(server: RedisServer) -> None:
    async with guarded(server, OnOutage.LOCAL) as home:
        await home.ask(attempt("a", device="tv", strong=True, limit=1))
        server.stop()
        told = await home.ask(attempt("b", device="tv", strong=True, limit=1))
        assert told is Outcome.TAKEOVER


async def test_open_lets_new_streams_pass_whatever_the_limit(server: RedisServer) -> None:
    async with guarded(server, OnOutage.OPEN) as home:
        server.stop()
        assert await home.watch("a", "b", "c", "d") == [Outcome.UNCHECKED] * 4
        told = await home.guard.decide(attempt("e", limit=0))
        assert (told.outcome, told.limit) == (Outcome.UNCHECKED, 0)


async def test_closed_refuses_new_streams_as_unavailable(server: RedisServer) -> None:
    async with guarded(server, OnOutage.CLOSED) as home:
        server.stop()
        with pytest.raises(StoreUnavailable):
            await home.watch("a")
        for call in (
            home.guard.release(ACCOUNT, "a"),
            home.guard.end(ACCOUNT, None, by="admin"),
            home.guard.streams(ACCOUNT),
        ):
            with pytest.raises(StoreUnavailable):
                await call
        await home.guard.amend(ACCOUNT, "a", LIVE)


@pytest.mark.parametrize("mode", [OnOutage.LOCAL, OnOutage.OPEN])
async def test_a_touch_of_a_stream_not_known_here_is_not_said_to_be_absent(
    server: RedisServer, mode: OnOutage
) -> None:
    """It may have a slot in the store that is away."""
    async with guarded(server, mode) as home:
        server.stop()
        touch = attempt("a", intent=Intent.TOUCH, cadence=KEPT)
        assert await home.ask(touch) is Outcome.UNCHECKED
        assert await home.listed() == []


# --- Going and coming back ---


async def test_a_change_is_told_once(server: RedisServer) -> None:
    async with guarded(server) as home:
        server.stop()
        await home.watch("a", "b")
        assert (len(home.changes), home.guard.available) == (1, False)
        await home.return_of_redis()
        await home.watch("a", "b")
        gone, back = home.changes
        assert gone is not None
        assert (type(gone.__cause__), back) == (RedisConnectionError, None)
        assert home.guard.available


async def test_what_went_wrong_is_told_while_the_store_is_left_alone(server: RedisServer) -> None:
    server.stop()
    async with guarded(server) as home:
        with pytest.raises(StoreUnavailable) as raised:
            await home.guard.ping()
        assert "Connect call failed" in cause(raised.value, server.url)
        assert len(home.calls) == 1


async def test_a_wrong_password_is_told_without_it() -> None:
    with RedisServer("--requirepass", "right-canary", "--rename-command", "AUTH", "") as server:
        url = server.url.replace("//", "//:wrong-canary@")
        store = RedisStore(url, policy(), key_prefix="outage", timeout=PATIENT)
        with pytest.raises(StoreUnavailable) as raised:
            await store.ping()
        await store.close()
        told = cause(raised.value, url)
        assert "AUTH" in told
        assert "canary" not in told


def test_a_cause_without_a_text_is_told_by_its_class() -> None:
    failure = StoreUnavailable()
    failure.__cause__ = TimeoutError()
    assert cause(failure, "redis://") == "TimeoutError"


async def test_a_store_that_is_away_at_the_start_is_an_outage_like_any_other(
    server: RedisServer,
) -> None:
    server.stop()
    async with guarded(server) as home:
        assert len(home.changes) == 1
        assert await home.watch("a") == [Outcome.ADMITTED]
        await home.return_of_redis()
        # Who was faster: this, or the claim for it?
        assert await home.watch("a") in ([Outcome.ADMITTED], [Outcome.RENEWED])


async def test_a_store_that_is_away_is_left_alone_for_a_moment(server: RedisServer) -> None:
    async with guarded(server) as home:
        server.stop()
        await home.watch("a")
        tries = len(home.calls)
        for _ in range(5):
            home.now += BACKOFF / 10
            await home.watch("a", "b", "c")
            with pytest.raises(StoreUnavailable):
                await home.guard.ping()
        assert len(home.calls) == tries
        home.now += BACKOFF
        await home.watch("a")
        assert len(home.calls) == tries + 1


async def test_a_clock_that_is_set_back_does_not_keep_the_store_away(server: RedisServer) -> None:
    async with guarded(server) as home:
        server.stop()
        await home.watch("a")
        server.start()
        home.now -= 3_600
        await home.watch("a")
        assert home.guard.available


async def test_one_request_at_a_time_tries_a_store_that_hangs(server: RedisServer) -> None:
    async with guarded(server, patience=0.1) as home:
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        try:
            await home.watch("a")
            tries = len(home.calls)
            home.now += BACKOFF
            told = await asyncio.gather(*[home.guard.decide(attempt("a")) for _ in range(50)])
            assert {one.outcome for one in told} == {Outcome.UNCHECKED}
            assert len(home.calls) == tries + 1
        finally:
            server.process.send_signal(signal.SIGCONT)


async def test_a_try_that_is_cancelled_does_not_keep_others_from_trying(
    server: RedisServer,
) -> None:
    async with guarded(server) as home:
        server.stop()
        await home.watch("a")
        server.start()
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        try:
            home.now += BACKOFF
            trying = asyncio.create_task(home.guard.decide(attempt("a")))
            await asyncio.sleep(0.02)  # let it ask
            assert not trying.done()
            trying.cancel()
            with suppress(asyncio.CancelledError):
                await trying
        finally:
            server.process.send_signal(signal.SIGCONT)
        await home.watch("a")
        assert home.guard.available


async def test_what_the_store_refuses_afterwards_is_known_no_more(server: RedisServer) -> None:
    async with guarded(server, OnOutage.OPEN) as home:
        server.stop()
        told: Decision = await home.guard.decide(attempt("a", limit=1))
        server.start()
        await home.redis.decide(attempt("b", limit=1))
        await home.return_of_redis()
        beat = attempt("a", instance_ms=told.started_ms, limit=1)
        assert await home.ask(beat) is Outcome.REFUSED
        server.stop()
        assert await home.listed() == []
        assert await home.ask(beat) is Outcome.UNCHECKED


@pytest.mark.parametrize("mode", OnOutage)
@pytest.mark.parametrize("jti", ["one", None])
async def test_who_was_told_to_be_revoked_is_so_without_the_store(
    server: RedisServer, mode: OnOutage, jti: str | None
) -> None:
    elsewhere = RedisStore(server.url, policy(), key_prefix="outage", timeout=PATIENT)
    async with guarded(server, mode) as home:
        now_ms = round(START * 1000)
        playing = attempt("a", jti=jti, issued_ms=now_ms - 1)
        await home.ask(playing)
        wanted = Revocation(now_ms + 3_600_000, jti=jti, before_ms=now_ms)
        await elsewhere.revoke(ACCOUNT, wanted)
        await elsewhere.close()
        assert await home.ask(playing) is Outcome.REVOKED
        server.stop()
        assert await home.ask(playing) is Outcome.REVOKED
        if mode is not OnOutage.CLOSED:
            assert await home.listed() == []
            assert await home.guard.is_revoked(Subject(ACCOUNT, jti=jti, issued_at=START - 1))
            fresh = attempt("a", jti="new", issued_ms=now_ms, limit=1)
            expected = Outcome.UNCHECKED if mode is OnOutage.OPEN else Outcome.ADMITTED
            assert await home.ask(fresh) is expected


async def test_a_stranger_who_is_revoked_is_so_without_the_store(server: RedisServer) -> None:
    async with guarded(server) as home:
        await home.redis.revoke(ACCOUNT, Revocation(round(START * 1000), jti="one"))
        assert await home.ask(attempt("a", jti="one")) is Outcome.REVOKED
        server.stop()
        assert await home.ask(attempt("a", jti="one")) is Outcome.REVOKED
        assert await home.ask(attempt("a", jti="two")) is Outcome.ADMITTED


async def test_a_revocation_the_store_is_not_told_of_counts_here_and_is_said_to_have_failed(
    server: RedisServer,
) -> None:
    async with guarded(server, OnOutage.OPEN) as home:
        await home.ask(attempt("a", jti="one"))
        server.stop()
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await home.guard.revoke(ACCOUNT, Revocation(round(START * 1000), jti="one"))
        assert await home.ask(attempt("a", jti="one")) is Outcome.REVOKED
        assert await home.guard.streams(ACCOUNT) == ()


async def test_who_was_revoked_here_only_may_go_on_when_the_store_says_so(
    server: RedisServer,
) -> None:
    async with guarded(server) as home:
        server.stop()
        now_ms = round(START * 1000)
        for jti in ("one", None):
            wanted = Revocation(now_ms, jti=jti, before_ms=now_ms)
            with pytest.raises(StoreUnavailable):
                await home.guard.revoke(ACCOUNT, wanted)
        await home.return_of_redis()
        playing, older = (attempt("a", jti="one", issued_ms=now_ms - ago) for ago in (1, 2))
        assert await home.ask(playing) is Outcome.ADMITTED
        server.stop()
        assert await home.ask(playing) is Outcome.UNCHECKED
        assert await home.ask(older) is Outcome.REVOKED


async def test_closed_without_the_store_nobody_says_who_is_revoked(server: RedisServer) -> None:
    async with guarded(server, OnOutage.CLOSED) as home:
        server.stop()
        with pytest.raises(StoreUnavailable):
            await home.guard.is_revoked(Subject(ACCOUNT))


async def test_what_ended_here_only_may_go_on_when_the_store_says_so(server: RedisServer) -> None:
    async with guarded(server) as home:
        told = await home.guard.decide(attempt("a"))
        server.stop()
        with pytest.raises(StoreUnavailable):
            await home.guard.end(ACCOUNT, "a", by="admin")
        await home.return_of_redis()
        beat = attempt("a", instance_ms=told.started_ms)
        assert await home.ask(beat) is Outcome.ADMITTED
        server.stop()
        assert await home.ask(beat) is Outcome.UNCHECKED


# --- Rules ---

ONE_PPV = policy(rules=(Rule("one-ppv", 1),))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(OnOutage.LOCAL, Outcome.REFUSED), (OnOutage.OPEN, Outcome.UNCHECKED)],
)
async def test_rules_hold_without_the_store_unless_all_may_pass(
    server: RedisServer, mode: OnOutage, expected: Outcome
) -> None:
    async with guarded(server, mode, rules=ONE_PPV) as home:
        await home.ask(attempt("a", limit=9, rules=("one-ppv",)))
        server.stop()
        told = await home.guard.decide(attempt("b", limit=9, rules=("one-ppv",)))
        assert told.outcome is expected
        if expected is Outcome.REFUSED:
            assert (told.rule, told.limit, told.active) == ("one-ppv", 1, 1)


async def test_rules_hold_again_for_what_passed_when_the_store_is_back(
    server: RedisServer,
) -> None:
    async with guarded(server, OnOutage.OPEN, rules=ONE_PPV) as home:
        server.stop()
        for stream in "ab":
            told = await home.ask(attempt(stream, limit=9, rules=("one-ppv",)))
            assert told is Outcome.UNCHECKED
        await home.return_of_redis()
        told = await home.ask(attempt("a", limit=9, rules=("one-ppv",)))
        assert told in (Outcome.ADMITTED, Outcome.RENEWED)
        assert await home.ask(attempt("b", limit=9, rules=("one-ppv",))) is Outcome.REFUSED


async def test_a_stream_that_was_observed_is_known_like_any_other(server: RedisServer) -> None:
    async with guarded(server, OnOutage.CLOSED, rules=policy(observes=True)) as home:
        assert await home.watch("a", "b", limit=1) == [Outcome.ADMITTED, Outcome.OBSERVED]
        server.stop()
        assert await home.watch("b", limit=1) == [Outcome.UNCHECKED]
