from dataclasses import replace
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials.account import derive
from proxy.credentials.ticket import Tickets
from proxy.errors import TicketInvalid
from proxy.model import DeviceClass, Playback, Subject, Ticket

SECRET = b"t" * 32
SUBJECT = Subject(
    account="a" * 32,
    limit=2,
    plan="basic",
    jti="j" * 16,
    issued_at=1_700_000_000.5,
    claims=(("region", "eu"), ("tier", "4"), ("tier", "hd")),
    confined=True,
)
PLAYBACK = Playback(
    stream="5" * 24,
    device="d" * 16,
    strong=True,
    content="tv.example/live/one/master.m3u8",
    route="live",
    label="Living room",
    network="n" * 8,
    agent="u" * 8,
    instance_ms=1_700_000_000_123,
    device_class=DeviceClass.TV,
    content_rules=("one-ppv", "two-hd"),
)


class Time:
    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def sealed(tickets: Tickets, place: str, playback: Playback = PLAYBACK) -> Ticket:
    text = tickets.mint(SUBJECT, playback, playback.instance_ms or 0)
    return tickets.read(f"{tickets.sealer(playback.content)(place)}.{text}")


def test_a_ticket_gives_back_what_was_put_in() -> None:
    ticket = sealed(Tickets(SECRET, 600, Time()), "/x")
    assert ticket.subject == SUBJECT
    assert ticket.playback == PLAYBACK


def test_the_longest_names_a_token_may_hold_fit_into_a_ticket() -> None:
    tickets = Tickets(SECRET, 600, Time())
    # As long as the configuration allows (``settings.limits.MAX_LISTED``).
    listed = tuple(("group", f"{number:03}" + "g" * 20) for number in range(38))
    subject = Subject(account="a" * 32, limit=10_000, plan="\U0001f3ac" * 256, claims=listed)
    playback = replace(PLAYBACK, label="\U0001f3ac" * 48, content="c" * 192)
    read = tickets.read(f"s.{tickets.mint(subject, playback, 1)}")
    assert (read.subject, read.playback.label) == (subject, playback.label)


def test_another_proxy_with_the_same_secret_reads_it_and_one_with_another_does_not() -> None:
    time = Time()
    text = Tickets(SECRET, 600, time).mint(SUBJECT, PLAYBACK, 1)
    assert Tickets(SECRET, 600, time).read(f"s.{text}").playback == replace(PLAYBACK, instance_ms=1)
    with pytest.raises(TicketInvalid):
        Tickets(b"o" * 32, 600, time).read(f"s.{text}")


def test_a_playback_keeps_its_ticket_for_half_its_life() -> None:
    time = Time(600_000.0)
    tickets = Tickets(SECRET, 600, time)
    first = tickets.mint(SUBJECT, PLAYBACK, 1)
    time.now += 299
    assert tickets.mint(SUBJECT, PLAYBACK, 1) == first
    time.now += 2
    assert tickets.mint(SUBJECT, PLAYBACK, 1) != first


def test_a_ticket_is_renewed_in_the_second_half_of_its_life_for_the_same_instance() -> None:
    time = Time()
    tickets = Tickets(SECRET, 600, time)
    first = sealed(tickets, "/x")
    time.now = first.expires_at - 301
    assert tickets.renewed(first) == first.text
    time.now += 1
    fresh = tickets.read(f"{first.seal}.{tickets.renewed(first)}")
    assert (fresh.subject, fresh.playback) == (first.subject, first.playback)
    assert fresh.expires_at == first.expires_at + 300
    assert tickets.fits(fresh, "/x")


@given(st.integers(0, 10_000))
def test_a_new_ticket_lives_at_least_half_its_ttl_and_never_longer_than_it(offset: int) -> None:
    time = Time(1_700_000_000.0 + offset)
    ticket = sealed(Tickets(SECRET, 600, time), "/x")
    assert 300 <= ticket.expires_at - time.now <= 600


def test_a_ticket_that_was_good_is_invalid_once_it_has_expired() -> None:
    time = Time()
    tickets = Tickets(SECRET, 600, time)
    ticket = sealed(tickets, "/x")
    time.now = ticket.expires_at - 0.001
    assert tickets.read(f"{ticket.seal}.{ticket.text}") == ticket
    time.now = ticket.expires_at
    with pytest.raises(TicketInvalid, match="expired"):
        tickets.read(f"{ticket.seal}.{ticket.text}")


def test_a_ticket_is_a_jwt_as_any_library_writes_it() -> None:
    ticket = sealed(Tickets(SECRET, 600, Time()), "/x")
    key = derive(SECRET, "ticket")
    read = jwt.decode_complete(ticket.text, key, ["HS256"], {"verify_exp": False})
    assert read["payload"]["s"] == PLAYBACK.stream
    kid = read["header"]["kid"]
    assert jwt.encode(read["payload"], key, headers={"kid": kid}) == ticket.text


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"kid": "another"}, {"crit": ["exp"]}, {"typ": "at+jwt"}]
)
def test_another_header_makes_no_ticket_whoever_signed_it(header: dict[str, Any]) -> None:
    tickets = Tickets(SECRET, 600, Time())
    key = derive(SECRET, "ticket")
    read = jwt.decode_complete(sealed(tickets, "/x").text, key, ["HS256"], {"verify_exp": False})
    header = read["header"] | header
    signing = key if header["alg"] != "none" else ""
    forged = jwt.encode(read["payload"], signing, header["alg"], headers=header)
    with pytest.raises(TicketInvalid):
        tickets.read(f"s.{forged}")


@pytest.mark.parametrize("place", range(3))
def test_a_ticket_that_was_changed_anywhere_is_none(place: int) -> None:
    tickets = Tickets(SECRET, 600, Time())
    parts = sealed(tickets, "/x").text.split(".")
    for changed in ("", parts[place][:-1], parts[place] + "A", "\udc80", "é", "==", "a.b"):
        forged = ".".join((*parts[:place], changed, *parts[place + 1 :]))
        with pytest.raises(TicketInvalid):
            tickets.read(f"s.{forged}")


def test_a_ticket_of_ours_that_lacks_what_we_need_is_invalid() -> None:
    tickets = Tickets(SECRET, 600, Time())
    key = derive(SECRET, "ticket")
    read = jwt.decode_complete(sealed(tickets, "/x").text, key, ["HS256"], {"verify_exp": False})
    for name in ("exp", "a", "s", "d", "g", "c", "r", "v", "n", "u", "i", "k"):
        lacking = {claim: value for claim, value in read["payload"].items() if claim != name}
        text = jwt.encode(lacking, key, headers={"kid": read["header"]["kid"]})
        with pytest.raises(TicketInvalid):
            tickets.read(f"s.{text}")


@pytest.mark.parametrize(
    "name", ["exp", "a", "s", "d", "g", "c", "r", "v", "n", "u", "i", "k", "m"]
)
def test_a_ticket_of_ours_that_says_it_in_another_way_is_invalid(name: str) -> None:
    tickets = Tickets(SECRET, 600, Time())
    key = derive(SECRET, "ticket")
    read = jwt.decode_complete(sealed(tickets, "/x").text, key, ["HS256"], {"verify_exp": False})
    kid = read["header"]["kid"]
    again = jwt.encode(read["payload"], key, headers={"kid": kid})
    assert tickets.read(f"s.{again}").playback == PLAYBACK
    for value in (None, 1.5, [], ["x"], {"x": 1}):
        text = jwt.encode(read["payload"] | {name: value}, key, headers={"kid": kid})
        with pytest.raises(TicketInvalid):
            tickets.read(f"s.{text}")


def test_an_expired_ticket_is_invalid() -> None:
    time = Time()
    tickets = Tickets(SECRET, 600, time)
    text = tickets.mint(SUBJECT, PLAYBACK, 1)
    time.now += 601
    with pytest.raises(TicketInvalid, match="expired"):
        tickets.read(f"s.{text}")


def test_a_session_token_is_no_ticket_and_a_ticket_signed_for_another_use_neither() -> None:
    tickets = Tickets(SECRET, 600, Time())
    claims = {"sub": "alice", "exp": 2_000_000_000}
    for key in (SECRET, derive(SECRET, "ticket")):
        with pytest.raises(TicketInvalid):
            tickets.read("s." + jwt.encode(claims, key, algorithm="HS256"))


def test_a_seal_holds_for_its_place_and_content_only() -> None:
    tickets = Tickets(SECRET, 600, Time())
    ticket = sealed(tickets, "tv.example/live/one/720p.m3u8")
    assert tickets.fits(ticket, "tv.example/live/one/720p.m3u8")
    assert not tickets.fits(ticket, "tv.example/live/two/720p.m3u8")
    other = replace(ticket, playback=replace(PLAYBACK, content="tv.example/live/two.m3u8"))
    assert not tickets.fits(other, "tv.example/live/one/720p.m3u8")


def test_a_directory_seal_opens_the_files_in_it_and_nothing_below_or_beside() -> None:
    tickets = Tickets(SECRET, 600, Time())
    ticket = sealed(tickets, "/live/one/")
    assert tickets.fits_within(ticket, "/live/one/seg1.ts")
    assert tickets.fits_within(ticket, "/live/one/seg/")
    assert not tickets.fits_within(ticket, "/live/one/hi/seg1.ts")
    assert not tickets.fits_within(ticket, "/live/two/seg1.ts")
    assert not tickets.fits_within(ticket, "/live/one")
    assert not tickets.fits_within(ticket, "/live/oneandonly/seg1.ts")


def test_a_tree_seal_opens_what_lies_below_however_deep_and_nothing_beside() -> None:
    tickets = Tickets(SECRET, 600, Time())
    ticket = sealed(tickets, "/live/one/**")
    assert tickets.fits_within(ticket, "/live/one/seg1.ts")
    assert tickets.fits_within(ticket, "/live/one/hi/2/seg1.ts")
    assert not tickets.fits_within(ticket, "/live/two/seg1.ts")
    assert not tickets.fits_within(ticket, "/live/one")
    assert not tickets.fits_within(ticket, "/live/oneandonly/seg1.ts")


def test_a_seal_of_the_root_opens_what_it_says() -> None:
    tickets = Tickets(SECRET, 600, Time())
    assert tickets.fits_within(sealed(tickets, "/"), "/seg1.ts")
    assert not tickets.fits_within(sealed(tickets, "/"), "/live/seg1.ts")
    assert tickets.fits_within(sealed(tickets, "/**"), "/live/seg1.ts")


@given(st.text())
def test_no_text_is_a_ticket_by_chance_nor_an_unexpected_error(text: str) -> None:
    with pytest.raises(TicketInvalid):
        Tickets(SECRET, 600, Time()).read(text)


@given(seal=st.text(st.characters(exclude_characters=".")))
def test_no_seal_fits_by_chance(seal: str) -> None:
    tickets = Tickets(SECRET, 600, Time())
    ticket = tickets.read(f"{seal}.{tickets.mint(SUBJECT, PLAYBACK, 1)}")
    assert not tickets.fits(ticket, PLAYBACK.content)
    assert not tickets.fits_within(ticket, "/live/one/seg1.ts")
