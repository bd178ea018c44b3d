import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.model import DeviceClass, Playback, Request, Subject, Ticket, Token
from proxy.playback.device import Hints, hints, label_of, network_of
from proxy.playback.identity import MAX_CONTENT_LENGTH, astray, content_of, named, resume, start
from tests.support.memory import kept_bytes

TOKEN = Token(Subject("a" * 32), expires_at=0)
HOME = Hints(agent="Player/1", network="203.0.113.0/24")
MASTER = "tv.example/live/one.m3u8"


def begin(hints: Hints = HOME, token: Token = TOKEN, content: str = MASTER) -> Playback:
    return start(token, hints, content=content, route="live")


def ticket(playback: Playback) -> Ticket:
    minted = replace(playback, instance_ms=1, stray=None)
    return Ticket(TOKEN.subject, minted, expires_at=0, text="", seal="")


def test_a_reload_is_the_same_stream() -> None:
    assert begin() == begin()


def test_content_account_agent_and_network_each_make_another_stream() -> None:
    other = replace(TOKEN, subject=Subject("b" * 32))
    streams = {
        begin().stream,
        begin(content="tv.example/live/two.m3u8").stream,
        begin(token=other).stream,
        begin(replace(HOME, agent="Player/2")).stream,
        begin(replace(HOME, network="198.51.100.0/24")).stream,
    }
    assert len(streams) == 5


def test_a_named_device_is_strong_and_the_same_everywhere() -> None:
    token = replace(TOKEN, device="tv-1")
    away = replace(HOME, network="198.51.100.0/24", agent="Player/2")
    assert begin(token=token).strong
    assert begin(token=token).stream == begin(away, token).stream
    assert begin(token=token).device == begin(away, token, "tv.example/other").device


def test_the_device_claim_beats_the_header_which_beats_the_playback_session() -> None:
    everything = replace(HOME, device="header", session="session")
    claimed = replace(TOKEN, device="claim")
    assert begin(everything, claimed).device == begin(HOME, claimed).device
    assert begin(everything).device == begin(replace(HOME, device="header")).device
    assert begin(replace(HOME, session="session")).stream != begin().stream


def test_a_playback_session_makes_the_stream_but_takeover_compares_agent_and_network() -> None:
    one = begin(replace(HOME, session="one"))
    two = begin(replace(HOME, session="two"))
    assert one.stream != two.stream
    assert one.device == two.device == begin().device
    assert not one.strong


def test_jti_makes_the_stream_only_when_asked_to() -> None:
    one, two = (replace(TOKEN, jti=jti) for jti in ("1", "2"))
    assert begin(token=one).stream == begin(token=two).stream
    streams = {
        start(token, HOME, content=MASTER, route="live", jti_per_playback=True).stream
        for token in (one, two)
    }
    assert len(streams) == 2


def test_a_ticket_is_its_playback_at_home_and_on_the_way() -> None:
    playback = begin()
    minted = ticket(playback)
    assert resume(minted, HOME).stream == playback.stream
    moved = resume(minted, replace(HOME, network="198.51.100.0/24"))
    assert moved.stream == playback.stream
    assert moved.network != playback.network
    assert resume(minted, replace(HOME, agent="Helper/1")).stream == playback.stream


def test_a_ticket_copied_to_another_device_elsewhere_is_a_stream_of_its_own() -> None:
    playback = begin(token=replace(TOKEN, device="tv-1"))
    copied = resume(ticket(playback), Hints("Other/9", "198.51.100.0/24"))
    assert copied.stream != playback.stream
    assert copied.device != playback.device
    assert not copied.strong
    assert copied.content == playback.content


def test_a_device_is_of_the_class_its_token_says_or_else_its_user_agent() -> None:
    roku = replace(HOME, agent="Roku/DVP-12.5 (12.5.0.4178-88)")
    assert begin(roku).device_class is DeviceClass.TV
    told = replace(TOKEN, device_class=DeviceClass.CONSOLE)
    playback = begin(roku, told)
    assert playback.device_class is DeviceClass.CONSOLE
    assert resume(ticket(playback), HOME).device_class is DeviceClass.CONSOLE
    elsewhere = Hints("Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X)", "198.51.100.0/24")
    assert resume(ticket(playback), elsewhere).device_class is DeviceClass.TABLET


def test_the_stray_of_a_request_is_the_copy_it_would_be() -> None:
    minted = ticket(begin(token=replace(TOKEN, device="tv-1")))
    elsewhere = replace(HOME, network="198.51.100.0/24")
    roaming = resume(minted, elsewhere)
    assert roaming.stray is not None
    lost = astray(roaming, roaming.stray.stream)
    assert (lost.stream, lost.device) == (roaming.stray.stream, roaming.stray.device)
    assert not lost.strong
    assert astray(roaming, roaming.stream) is roaming


def test_a_stream_known_by_its_id_alone_has_no_content_to_start() -> None:
    assert named(TOKEN, "5" * 24, HOME).content == ""


def test_content_is_told_apart_by_listed_parameters_only() -> None:
    params = frozenset({"id", "lang"})
    base = content_of("h", "/p", "id=1&lang=de", params)
    assert content_of("h", "/p", "lang=de&_=99&id=1", params) == base
    assert content_of("h", "/p", "id=2&lang=de", params) != base
    assert content_of("h", "/p", "id=1", frozenset()) == "h/p"
    twice = {content_of("h", "/p", query, params) for query in ("id=1&id=2", "id=2&id=1")}
    assert len(twice) == 2, "the origin may take the first, or the last"


@given(st.text("ab", min_size=300), st.text("ab", min_size=300))
def test_long_contents_are_cut_and_still_told_apart(one: str, two: str) -> None:
    names = [content_of("h", f"/{path}", "", ()) for path in (one, two)]
    assert all(len(name) <= MAX_CONTENT_LENGTH for name in names)
    assert (names[0] == names[1]) == (one == two)


def test_nothing_is_remembered_of_long_contents() -> None:
    """They are named before anybody knows who asks, and are as long as whoever asks likes."""
    tracemalloc.start()
    try:
        for number in range(200):
            content_of("h", f"/{number}{'x' * 8_000}", "", ())
        assert kept_bytes() < 100_000
    finally:
        tracemalloc.stop()


def request(address: str = "203.0.113.7", query: str = "", **headers: str) -> Request:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", "http", "h", "/p", query, CIMultiDict(fields), address)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("", ""),
    ],
)
def test_networks_are_as_coarse_as_a_household(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    "found",
    [
        request(X_Playback_Session_Id="6e2e83"),
        request(CMCD_Session='cid="x",sid="6e2e83",st=v'),
        request(query="a=1&CMCD=br%3D100%2Csid%3D%226e2e83%22"),
        request(query="CMCD=sid%3D%226e2e83%22%2Cot%3Dm"),
    ],
)
def test_the_playback_session_is_read_from_where_players_put_it(found: Request) -> None:
    assert hints(found).session == "6e2e83"


@pytest.mark.parametrize("cmcd", ["", "sid=6e2e83", 'nosid="x"', 'sid="', 'sid="\\""'])
def test_what_is_no_cmcd_session_is_none(cmcd: str) -> None:
    assert hints(request(CMCD_Session=cmcd)).session is None


def test_a_device_header_counts_only_if_configured() -> None:
    found = request(X_Device="tv-1")
    assert hints(found).device is None
    assert hints(found, "X-Device").device == "tv-1"
    assert hints(request(), "X-Device").device is None


@pytest.mark.parametrize(
    ("agent", "label"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36",
            "Chrome on Linux",
        ),
        ("AppleCoreMedia/1.0.0.21A360 (Apple TV; U; CPU OS 17_0 like Mac OS X)", "AppleTV"),
        ("curl/8.5.0", "curl"),
        ("", "unknown device"),
        ("\x07\x1b[31m/x", "[31m"),
    ],
)
def test_a_device_is_called_what_its_viewer_would_call_it(agent: str, label: str) -> None:
    assert label_of(agent) == label


@given(st.text(st.characters(), max_size=300))
@example("\udcff\udcfe")
def test_any_user_agent_gives_a_short_printable_label(agent: str) -> None:
    label = label_of(agent)
    assert 0 < len(label) <= 48
    assert label.isprintable()
