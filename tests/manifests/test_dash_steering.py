from xml.sax.saxutils import unescape

import pytest

from proxy.manifests.dash import compile_dash
from proxy.manifests.linker import Linker
from proxy.manifests.steering import steering_link
from tests.manifests.world import CDN, Mode, links

BASE = "/live/a/main.mpd"
ROUTES: dict[str, Mode] = {"/live/**": "signed", "/open/**": "open", "/cdn/**": "direct"}
STEERING = "/_playgate/steering"
FAR = "https://cdn.elsewhere/a/"
HERE = '<BaseURL serviceLocation=".">./</BaseURL>'
SET = "<AdaptationSet>{}<Representation id='v'/></AdaptationSet>"
PERIOD = f"<Period>{SET.format('')}</Period>"


def link(pathway: str, server: str | None = None) -> str:
    around = links(BASE, ROUTES, steering=STEERING)
    parts = steering_link(around, Linker(around), server=server, pathway=pathway)
    assert parts is not None
    return "T".join(parts).replace("&", "&amp;")


def steered(location: str = ".") -> str:
    attributes = f'defaultServiceLocation="{location}" queryBeforeStart="false"'
    return f"<ContentSteering {attributes}>{link(location)}</ContentSteering>"


def within(inside: str, base: str = "/open/a/main.mpd", steering: str | None = STEERING) -> str:
    """What becomes of the inside of a static MPD; its segments need no tickets."""
    around = links(base, ROUTES, steering=steering)
    text = compile_dash(f"<MPD>{inside}</MPD>".encode(), around).render(b"T").decode()
    return text.removeprefix("<MPD>").removesuffix("</MPD>")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", HERE + steered()),
        (
            "<ProgramInformation/><Location>/elsewhere/x.xml</Location>",
            f"<ProgramInformation/>{HERE}<Location>/elsewhere/x.xml</Location>{steered()}",
        ),
        ("<BaseURL>b/</BaseURL>", f'<BaseURL serviceLocation=".">b/</BaseURL>{steered()}'),
        ("<BaseURL/>", f'<BaseURL serviceLocation="."/>{steered()}'),
        (
            f"<BaseURL>{FAR}</BaseURL>",
            f'<BaseURL serviceLocation=".">{FAR}</BaseURL>{steered()}',
        ),
        (
            "<BaseURL serviceLocation='one'>b/</BaseURL>",
            f"<BaseURL serviceLocation='one'>b/</BaseURL>{steered('one')}",
        ),
    ],
)
def test_the_mpd_as_a_whole_becomes_one_service_location(before: str, after: str) -> None:
    assert within(before + PERIOD) == after + PERIOD


def test_what_is_relative_inherits_it_and_what_is_absolute_is_named() -> None:
    text = (
        "<Period id='1'><BaseURL>p/</BaseURL><AdaptationSet id='2'><BaseURL>{}</BaseURL>"
        "<Representation id='3'><BaseURL>r/</BaseURL></Representation></AdaptationSet></Period>"
    )
    assert within(text.format("s/")) == HERE + steered() + text.format("s/")
    named = text.replace("<BaseURL>{}", '<BaseURL serviceLocation=".">{}')
    assert within(text.format(FAR)) == HERE + steered() + named.format(FAR)


def test_direct_representations_are_named_where_their_ids_are_their_own() -> None:
    text = (
        "<Period><AdaptationSet><Representation id='{}'><SegmentBase/></Representation>"
        "<Representation id='{}'><BaseURL>v/</BaseURL></Representation></AdaptationSet></Period>"
    )
    served = text.replace("<SegmentBase/>", "<BaseURL{}>" + CDN + "cdn/a/</BaseURL><SegmentBase/>")
    served = served.replace("<BaseURL>v/", "<BaseURL{}>" + CDN + "cdn/a/v/")
    name = ' serviceLocation="."'
    inside = within(text.format("1", "2"), "/cdn/a/main.mpd")
    assert inside == HERE + steered() + served.format("1", name, "2", name)
    for ids in (("1", "1"), ("", "")):
        shown = served.format(ids[0], "", ids[1], "")
        assert within(text.format(*ids), "/cdn/a/main.mpd") == shown


@pytest.mark.parametrize(
    "inside",
    [
        f"<BaseURL>a/</BaseURL><BaseURL>b/</BaseURL>{PERIOD}",
        f"<Period><BaseURL>a/</BaseURL><BaseURL>b/</BaseURL>{SET.format('')}</Period>",
        f"<Period><BaseURL serviceLocation='a'>a/</BaseURL>{SET.format('')}</Period>",
        f"<Period>{SET.format('<BaseURL>/open/b/</BaseURL>')}</Period>",
        f"<Period>{SET.format('<BaseURL>//cdn.elsewhere/b/</BaseURL>')}</Period>",
        f"<Period>{SET.format(f'<BaseURL>{FAR}</BaseURL>')}</Period>",
    ],
)
def test_an_mpd_that_players_would_read_in_different_ways_stays_as_it_is(inside: str) -> None:
    assert within(inside) == inside


def test_a_rooted_base_below_one_of_the_mpds_own_is_no_obstacle() -> None:
    inside = f"<BaseURL>a/</BaseURL><Period>{SET.format('<BaseURL>/open/b/</BaseURL>')}</Period>"
    named = inside.replace(
        "<BaseURL>a/</BaseURL>", f'<BaseURL serviceLocation=".">a/</BaseURL>{steered()}'
    )
    assert within(inside) == named


def test_nothing_is_steered_without_keep_alive_or_live() -> None:
    assert within(PERIOD, steering=None) == PERIOD
    steers = "<ContentSteering>https://steer.example/s</ContentSteering>" + PERIOD
    assert within(steers, steering=None) == steers
    for inside in (PERIOD, steers):
        body = f"<MPD type='dynamic' minimumUpdatePeriod='PT2S'>{inside}</MPD>".encode()
        shown = [
            compile_dash(body, links(BASE, ROUTES, steering=steering)).chunks
            for steering in (STEERING, None)
        ]
        assert shown[0] == shown[1]


@pytest.mark.parametrize(
    "server",
    ["https://steer.example/s?a=1&amp;b=2", "/live/steer.dcsm", "http://origin-a:8000/live/s"],
)
@pytest.mark.parametrize("parent", ["{}", "<ServiceDescription>{}</ServiceDescription>"])
def test_the_origins_own_steering_is_wrapped_and_its_locations_left(
    server: str, parent: str
) -> None:
    own = (
        "<ContentSteering defaultServiceLocation='a b' queryBeforeStart='true'>{}</ContentSteering>"
    )
    bases = "<BaseURL serviceLocation='a'>a/</BaseURL><BaseURL serviceLocation='b'>b/</BaseURL>"
    inside = bases + parent.format(own) + PERIOD
    assert within(inside.format(server)) == inside.format(link("a", unescape(server)))


@pytest.mark.parametrize(
    ("attributes", "server"),
    [
        ("", ""),
        ("", " \n "),
        ("", "data:application/json;base64,e30="),
        (" proxyServerURL='https://steer.example/proxy'", "https://steer.example/s"),
    ],
)
def test_steering_that_cannot_be_wrapped_gets_no_ticket(attributes: str, server: str) -> None:
    inside = f"<ContentSteering{attributes}>{server}</ContentSteering>{PERIOD}"
    assert within(inside) == inside


def test_prefixed_names_are_written_with_their_prefix() -> None:
    body = b"<d:MPD xmlns:d='urn:mpeg:dash:schema:mpd:2011'><d:Period/></d:MPD>"
    served = compile_dash(body, links(BASE, ROUTES, steering=STEERING)).render(b"T").decode()
    assert '<d:BaseURL serviceLocation=".">./</d:BaseURL><d:ContentSteering ' in served
    assert "</d:ContentSteering><d:Period/>" in served
