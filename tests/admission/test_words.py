"""Questions in a manner that many share say what is said without, and are read back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.admission import scripts
from proxy.admission.keys import ClusterKeys, Keys
from proxy.admission.policy import Rule
from proxy.admission.words import Words, written
from proxy.model import Stray
from proxy.redis_pipe import packed
from proxy.streams import Attempt, Intent
from tests.admission.samples import FILM, LIVE, attempt, policy

RULES = (Rule("tv 100%", 2), Rule("%b", 1, observed=True))
names = st.text(min_size=1, max_size=12)
attempts = st.builds(
    attempt,
    names,
    account=names,
    device=names,
    strong=st.booleans(),
    network=names,
    instance_ms=st.none() | st.integers(1, 2**45),
    stray=st.none() | st.builds(Stray, names, names),
    limit=st.integers(0, 300),
    cadence=st.sampled_from([LIVE, FILM]),
    beat=st.booleans(),
    intent=st.sampled_from(Intent),
    rules=st.none() | st.lists(names, max_size=2).map(tuple),
    jti=st.none() | names,
    issued_ms=st.none() | st.integers(0, 2**45),
    route=names,
)


@pytest.mark.parametrize("keys", [Keys("a%b:c"), ClusterKeys("a%b:c")])
@given(attempts)
def test_a_question_is_what_the_attempt_is_in_full(keys: Keys, one: Attempt) -> None:
    words = Words(keys, policy(rules=RULES))
    question = words.question(one)
    names = keys.of(one.account)
    account = written(one.account)
    asked = question.manner.words.command % (account, account, account, question.own)
    whole = packed(
        *("EVALSHA", scripts.DECIDE.digest, len(names), *names, ""), *words.arguments(one)
    )
    assert asked == whole
    assert question.manner.words.slot == keys.slot_of(one.account)
    playback = replace(one.playback, agent="")
    if playback.stray and playback.stray.stream == playback.stream:
        playback = replace(playback, stray=None)  # where it would go it is
    assert question.attempt == replace(one, playback=playback)


def test_those_who_watch_the_same_share_all_but_what_is_their_own() -> None:
    words = Words(Keys("playgate"), policy())
    mine, theirs = (
        words.question(attempt("a", account=account, device=account, instance_ms=instance_ms))
        for account, instance_ms in (("alice", 1), ("carol", 2))
    )
    assert mine.manner is theirs.manner
    assert mine.own != theirs.own
