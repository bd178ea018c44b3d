from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from proxy.credentials.keys import Key, KeyRing, Sought

HMAC = b"s" * 64


def key(kid: str | None = None, algorithm: str = "HS256", issuers: Iterable[str] = ()) -> Key:
    return Key.symmetric(algorithm, HMAC, kid, issuers)


@dataclass
class Keys:
    """A source that has ``later`` once it was looked at."""

    keys: tuple[Key, ...] = ()
    later: tuple[Key, ...] = ()
    sought: list[Sought] = field(default_factory=list)
    possible: bool = True

    def may_have(self, sought: Sought) -> bool:
        self.sought.append(sought)
        return self.possible

    async def look(self) -> bool:
        changed, self.keys = self.keys != self.later, self.later
        return changed


def found(ring: KeyRing, sought: Sought) -> list[Key]:
    return list(ring.candidates(sought))


def test_a_key_of_an_issuer_is_no_key_for_the_tokens_of_another() -> None:
    ours, theirs, anybodys = key("k", issuers=["a"]), key("k", issuers=["b", "c"]), key("k")
    ring = KeyRing((ours, theirs, anybodys))
    assert found(ring, Sought("HS256", "k", "a")) == [ours, anybodys]
    assert found(ring, Sought("HS256", "k", "c")) == [theirs, anybodys]
    assert found(ring, Sought("HS256", "k", "d")) == [anybodys]
    assert found(ring, Sought("HS256", "k", None)) == [anybodys]


def test_a_kid_of_another_issuer_hides_no_key_without_one() -> None:
    nameless = key(issuers=["a"])
    ring = KeyRing((key("k", issuers=["b"]), nameless))
    assert found(ring, Sought("HS256", "k", "a")) == [nameless]


def test_a_kid_selects_its_key_alone_even_where_that_has_another_algorithm() -> None:
    ring = KeyRing((key("k", "HS512"), key()))
    assert found(ring, Sought("HS256", "k")) == []


@pytest.mark.parametrize("kid", [None, "unknown"])
def test_a_token_that_names_no_key_is_tried_with_the_first_few(kid: str | None) -> None:
    fixed, source = [key() for _ in range(5)], Keys(tuple(key() for _ in range(64)))
    ring = KeyRing(tuple(fixed), (source,))
    assert len(found(ring, Sought("HS256", kid))) == 8
    assert found(ring, Sought("HS256", kid))[:5] == fixed
    last = key("last")
    named = KeyRing((*(key() for _ in range(20)), last))
    assert found(named, Sought("HS256", "last")) == [last]


def test_the_keys_of_sources_count_as_they_come_and_go() -> None:
    source = Keys((key("one"),))
    ring = KeyRing((), (source,))
    assert [each.kid for each in found(ring, Sought("HS256", None))] == ["one"]
    source.keys = (key("two"),)
    assert [each.kid for each in ring.keys] == ["two"]


async def test_a_key_that_is_there_is_not_looked_for_again() -> None:
    source = Keys((key("k"),))
    assert not await KeyRing((), (source,)).look_for(Sought("HS256", "k"))
    assert source.sought == []


@pytest.mark.parametrize("possible", [True, False])
async def test_a_key_that_is_not_there_is_looked_for_where_it_may_be(*, possible: bool) -> None:
    source = Keys((key("k"),), (key("k"), key("new")), possible=possible)
    ring = KeyRing((key(),), (source, Keys()))
    sought = Sought("HS256", "new")
    assert await ring.look_for(sought) is possible
    assert bool([each for each in found(ring, sought) if each.kid == "new"]) is possible


async def test_the_same_kid_of_another_issuer_is_no_reason_not_to_look() -> None:
    source = Keys((), (key("k", issuers=["b"]),))
    ring = KeyRing((key("k", issuers=["a"]),), (source,))
    assert await ring.look_for(Sought("HS256", "k", "b"))


def test_only_a_fixed_key_signs() -> None:
    assert KeyRing((), (Keys((key(),)),)).signer() is None


def test_no_repr_shows_a_secret() -> None:
    assert "s" * 8 not in repr(KeyRing((key(),), (Keys((key(),)),)))
