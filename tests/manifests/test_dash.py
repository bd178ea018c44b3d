import re
from urllib.parse import urljoin
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import OriginInvalid
from proxy.manifests.dash import compile_dash
from proxy.manifests.template import Template
from proxy.streams import Pace
from tests.manifests.world import CDN, Mode, Player, links, unhurried

BASE = "/live/a/main.mpd"
ROUTES: dict[str, Mode] = {
    "/live/**": "signed",
    "/open/**": "open",
    "/cdn/**": "direct",
    "/deny/**": "deny",
}
ADDRESSED = '<SegmentTemplate media="$Number$.m4s" initialization="init.mp4"/>'
SEALED = (
    '<SegmentTemplate media="$Number$.m4s?_sid=[{0}].T" initialization="init.mp4?_sid=[{0}].T"/>'
)


def mpd(inside: str, attributes: str = "") -> str:
    return f"""<?xml version='1.0' encoding="utf-8" ?>
<!-- made by hand -->
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"{attributes}>{inside}</MPD>
"""


def period(inside: str) -> str:
    return f"<Period>{inside}</Period>"


def compiled(text: str, base: str = BASE, strip_prefix: str = "", query: str = "") -> Template:
    return compile_dash(text.encode(), links(base, ROUTES, strip_prefix=strip_prefix, query=query))


def rendered(text: str, base: str = BASE, strip_prefix: str = "", query: str = "") -> str:
    return compiled(text, base, strip_prefix, query).render(b"T").decode()


def within(inside: str, base: str = BASE) -> str:
    """What becomes of the inside of a static MPD."""
    text = rendered(mpd(inside), base)
    before, _, after = mpd("|").partition("|")
    assert text.startswith(before)
    assert text.endswith(after)
    return text[len(before) : -len(after)]


# --- Segments ------------------------------------------------------------------------------------


def test_templates_are_sealed_for_the_folder_or_the_tree_before_their_first_identifier() -> None:
    text = (
        "<AdaptationSet><SegmentTemplate"
        ' media="v/$RepresentationID$/$Number%05d$.m4s?a=1&amp;b=$Time$"'
        " initialization='../i/init-$RepresentationID$.mp4' index = \"$Bandwidth$.sidx\""
        ' bitstreamSwitching="b.mp4" timescale="1000"><SegmentTimeline><S t="0" d="4"/>'
        "</SegmentTimeline></SegmentTemplate><Representation id='1'/></AdaptationSet>"
    )
    assert within(period(text)) == period(
        text.replace("$Time$", "$Time$&amp;_sid=[/live/a/v/**].T")
        .replace("$.mp4", "$.mp4?_sid=[/live/i/].T")
        .replace("$.sidx", "$.sidx?_sid=[/live/a/].T")
        .replace("b.mp4", "b.mp4?_sid=[/live/a/].T")
    )


def test_lists_and_indexes_are_sealed() -> None:
    text = (
        "<SegmentList><Initialization sourceURL='i.mp4'/><RepresentationIndex sourceURL='x.idx'/>"
        "<BitstreamSwitching sourceURL='b.mp4'/><SegmentURL media='a/1.m4s' index='1.idx'/>"
        "<SegmentURL mediaRange='1-2'/></SegmentList>"
    )
    sealed = (
        text.replace("i.mp4", "i.mp4?_sid=[/live/a/].T")
        .replace("x.idx", "x.idx?_sid=[/live/a/].T")
        .replace("b.mp4", "b.mp4?_sid=[/live/a/].T")
        .replace("1.m4s", "1.m4s?_sid=[/live/a/a/].T")
        .replace("'1.idx", "'1.idx?_sid=[/live/a/].T")
    )
    shell = period("<AdaptationSet><Representation>{}</Representation></AdaptationSet>")
    assert within(shell.format(text)) == shell.format(sealed)


@pytest.mark.parametrize("inside", ["<SegmentBase indexRange='1-2'/>", ""])
def test_a_base_url_that_is_the_file_itself_is_sealed(inside: str) -> None:
    shell = period(
        "<AdaptationSet><BaseURL>b/</BaseURL>"
        "<Representation><BaseURL>{}</BaseURL>{}</Representation></AdaptationSet>"
    )
    assert within(shell.format("\n v.mp4?x=1 \n", inside)) == shell.format(
        "\n v.mp4?x=1&amp;_sid=[/live/a/b/].T \n", inside
    )


def test_base_urls_of_every_level_count() -> None:
    text = (
        "<BaseURL>1/</BaseURL><Period><BaseURL>2/</BaseURL><AdaptationSet><BaseURL>3/</BaseURL>"
        "<Representation><BaseURL>4/</BaseURL>{}</Representation></AdaptationSet></Period>"
        "<Period><BaseURL>/live/b/</BaseURL><AdaptationSet>{}<Representation/></AdaptationSet></Period>"
    )
    assert within(text.format(ADDRESSED, ADDRESSED)) == text.format(
        SEALED.format("/live/a/1/2/3/4/"), SEALED.format("/live/b/")
    )


def test_an_id_with_a_slash_makes_a_tree_of_a_folder() -> None:
    text = period(
        '<AdaptationSet><SegmentTemplate media="s-$RepresentationID$.m4s"/>'
        "<Representation id='{}'/></AdaptationSet>"
    )
    for name, seal in (("hi", "/live/a/"), ("video/hi", "/live/a/**")):
        expected = text.replace("$.m4s", f"$.m4s?_sid=[{seal}].T")
        assert within(text.format(name)) == expected.format(name)


def test_a_shared_template_is_sealed_for_the_tree_that_holds_all_its_representations() -> None:
    text = period(
        "<AdaptationSet>{}<Representation><BaseURL>v/1/</BaseURL></Representation>"
        "<Representation><BaseURL>v/2/</BaseURL></Representation></AdaptationSet>"
    )
    assert within(text.format(ADDRESSED)) == text.format(SEALED.format("/live/a/v/**"))


def test_alternatives_share_a_seal() -> None:
    text = (
        f"<BaseURL>1/</BaseURL><BaseURL>2/</BaseURL>{period('<AdaptationSet>{}</AdaptationSet>')}"
    )
    assert within(text.format(ADDRESSED)) == text.format(SEALED.format("/live/a/**"))


def test_foreign_alternatives_go_where_ours_are_guarded() -> None:
    foreign = "<BaseURL serviceLocation='x'>https://cdn.elsewhere/live/a/</BaseURL>"
    text = f"<BaseURL>./</BaseURL>{period('<AdaptationSet>{}</AdaptationSet>')}"
    assert within(foreign + text.format(ADDRESSED)) == text.format(SEALED.format("/live/a/"))


@pytest.mark.parametrize("base", ["/open/main.mpd", "/deny/main.mpd"])
def test_foreign_alternatives_stay_where_ours_need_no_ticket(base: str) -> None:
    text = (
        "<BaseURL>https://cdn.elsewhere/</BaseURL><BaseURL>./</BaseURL>"
        f"{period(f'<AdaptationSet>{ADDRESSED}<Representation/></AdaptationSet>')}"
    )
    assert compiled(mpd(text), base).chunks == (mpd(text).encode(),)


def test_no_ticket_goes_to_a_foreign_host() -> None:
    text = (
        f"<BaseURL>https://cdn.elsewhere/live/</BaseURL><Period><AdaptationSet>{ADDRESSED}"
        "<Representation/></AdaptationSet></Period><Period><BaseURL>/live/a/v.mp4</BaseURL>"
        "<AdaptationSet><SegmentTemplate media='/live/$Number$.m4s'/></AdaptationSet></Period>"
    )
    assert within(text) == text


def test_a_template_that_foreign_representations_share_gets_no_ticket() -> None:
    text = period(
        f"<AdaptationSet>{ADDRESSED}<Representation><BaseURL>https://x.example/</BaseURL>"
        "</Representation><Representation/></AdaptationSet>"
    )
    assert within(text) == text


@pytest.mark.parametrize("name", ["https://evil.example", "//evil.example", "\\\\evil.example"])
def test_an_id_cannot_lead_a_ticket_away(name: str) -> None:
    text = period(
        "<AdaptationSet><SegmentTemplate media='$RepresentationID$/1.m4s'"
        f" initialization='i.mp4'/><Representation id='{name}'/></AdaptationSet>"
    )
    assert within(text) == text.replace("i.mp4", "i.mp4?_sid=[/live/a/].T")


def test_elements_of_other_namespaces_are_left_alone() -> None:
    text = period(
        "<AdaptationSet><x:SegmentTemplate xmlns:x='urn:x' media='1.m4s'/>"
        "<SegmentTemplate xmlns:y='urn:y' y:media='2.m4s' media='3.m4s'/></AdaptationSet>"
        "<EventStream><Event><SegmentTemplate media='4.m4s'/></Event></EventStream>"
    )
    assert within(text) == text.replace("3.m4s", "3.m4s?_sid=[/live/a/].T")


@pytest.mark.parametrize("namespace", ["", ' xmlns="urn:mpeg:DASH:schema:MPD:2011"'])
def test_the_root_may_have_any_namespace(namespace: str) -> None:
    text = f"<MPD{namespace}><Period><BaseURL>v.mp4</BaseURL></Period></MPD>"
    assert rendered(text) == text.replace("v.mp4", "v.mp4?_sid=[/live/a/].T")


def test_prefixed_names_are_read_and_written() -> None:
    text = (
        "<d:MPD xmlns:d='urn:mpeg:dash:schema:mpd:2011' type='dynamic' minimumUpdatePeriod='PT2S'>"
        "<d:Period><d:BaseURL>v.mp4</d:BaseURL></d:Period></d:MPD>"
    )
    location = "<d:Location>https://play.example/live/a/main.mpd?_sid=[play.example/live/a/main.mpd].T</d:Location>"
    assert rendered(text) == text.replace("<d:Period>", f"{location}<d:Period>").replace(
        "v.mp4", "v.mp4?_sid=[/live/a/].T"
    )


# --- Addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["/open/main.mpd", "/deny/main.mpd"])
def test_an_open_mpd_is_sent_as_it_came(base: str) -> None:
    text = "\ufeff" + mpd(
        "<BaseURL>b/</BaseURL>\r\n"
        + period(f"<AdaptationSet>{ADDRESSED}<Representation/></AdaptationSet>&#169; <?x?>")
        + "<UTCTiming schemeIdUri='urn:mpeg:dash:utc:http-iso:2014' value='/time?a=1&amp;b'/>"
        + "<Period xmlns:xlink='http://www.w3.org/1999/xlink' xlink:href='/live/p.xml'/>"
    )
    assert compiled(text, base).chunks == (text.encode(),)


def test_an_origins_address_becomes_a_public_path() -> None:
    text = "<BaseURL>http://origin-a:8000/{}/</BaseURL>" + period(
        "<AdaptationSet><SegmentTemplate media='{}' initialization='http://origin-b/{}/i.mp4'/>"
        "</AdaptationSet>"
    )
    for_open = text.replace("http://origin-a:8000", "").replace("http://origin-b", "")
    assert within(text.format("open", "1.m4s", "open")) == for_open.format("open", "1.m4s", "open")
    assert within(text.format("live", "1.m4s", "live")) == for_open.format(
        "live", "1.m4s?_sid=[/live/].T", "live"
    ).replace("i.mp4", "i.mp4?_sid=[/live/].T")


def test_clocks_and_steering_do_not_tell_where_an_origin_is() -> None:
    text = (
        "<ContentSteering defaultServiceLocation='a'>{}/live/steer.dcsm</ContentSteering>"
        "<UTCTiming schemeIdUri='urn:mpeg:dash:utc:http-iso:2014' value='{}/live/time?a=1&amp;b'/>"
        "<UTCTiming schemeIdUri='urn:mpeg:dash:utc:direct:2014' value='2026-01-01T00:00:00Z'/>"
        + period("")
    )
    origin = "http://origin-a:8000"
    assert within(text.format(origin, origin)) == text.format("", "")


def test_a_location_is_resolved_against_the_mpd_itself() -> None:
    text = "<Location>?x=1</Location>" + period("")
    assert within(text) == text.replace("1<", "1&amp;_sid=[play.example/live/a/main.mpd].T<")


def test_paths_of_the_origin_become_public_ones() -> None:
    text = mpd("<BaseURL>/b/</BaseURL>" + period(f"<AdaptationSet>{ADDRESSED}</AdaptationSet>"))
    assert rendered(text, strip_prefix="/live") == text.replace("/b/", "/live/b/").replace(
        ADDRESSED, SEALED.format("/live/b/")
    )


# --- segments: direct ----------------------------------------------------------------------------


def test_direct_representations_are_given_absolute_base_urls() -> None:
    text = period(
        f"<AdaptationSet>{ADDRESSED}<BaseURL>b/</BaseURL>"
        '<Representation id="1"><BaseURL x="1">v1/</BaseURL><BaseURL>/cdn/v2/</BaseURL>'
        '</Representation><Representation id="2"/>'
        '<Representation id="3"><Extra/><SubRepresentation/></Representation>'
        "<Representation id='4'><SegmentBase/><BaseURL>/live/v4/</BaseURL></Representation>"
        "</AdaptationSet>"
    )
    here = f"<BaseURL>{CDN}cdn/a/b/</BaseURL>"
    assert within(text, "/cdn/a/main.mpd") == (
        text.replace("v1/", f"{CDN}cdn/a/b/v1/")
        .replace(">/cdn/v2/", f">{CDN}cdn/v2/")
        .replace('id="2"/>', f'id="2">{here}</Representation>')
        .replace("<SubR", f"{here}<SubR")
    )


def test_direct_files_are_named_by_each_representation() -> None:
    text = period(
        "<AdaptationSet><Representation><BaseURL>v.mp4?a&amp;b</BaseURL></Representation>"
        "</AdaptationSet><AdaptationSet><BaseURL>s.vtt?c</BaseURL><Representation/></AdaptationSet>"
    )
    assert within(text, "/cdn/a/main.mpd") == text.replace("v.mp4", f"{CDN}cdn/a/v.mp4").replace(
        "<Representation/>",
        f"<Representation><BaseURL>{CDN}cdn/a/s.vtt?c</BaseURL></Representation>",
    )


def test_direct_paths_and_origin_addresses_are_absolute_by_themselves() -> None:
    text = period(
        "<AdaptationSet><SegmentTemplate media='/cdn/b/$Number$.m4s'"
        " initialization='http://origin-a:8000/live/i.mp4' index='i.sidx'/>"
        "<Representation><BaseURL>v/</BaseURL></Representation></AdaptationSet>"
    )
    assert within(text, "/cdn/a/main.mpd") == (
        text.replace("/cdn/b/", f"{CDN}cdn/b/")
        .replace("http://origin-a:8000/live/i.mp4", "//play.example/live/i.mp4?_sid=[/live/].T")
        .replace(">v/", f">{CDN}cdn/a/v/")
    )


def test_a_relative_template_counts_where_it_leads() -> None:
    text = period(
        "<AdaptationSet><SegmentTemplate media='/cdn/$Number$.m4s'"
        " initialization='../../live/b/i.mp4'/><Representation/></AdaptationSet>"
    )
    assert within(text, "/cdn/a/main.mpd") == text.replace("/cdn/", f"{CDN}cdn/").replace(
        "i.mp4", "i.mp4?_sid=[/live/b/].T"
    )


def test_periods_on_different_routes_keep_their_modes() -> None:
    text = (
        period(f"<AdaptationSet>{ADDRESSED}<Representation/></AdaptationSet>")
        + "<Period><BaseURL>/live/ad/</BaseURL>"
        f"<AdaptationSet>{ADDRESSED}<Representation/></AdaptationSet></Period>"
    )
    first, second = text.split("<Period><BaseURL>")
    assert within(text, "/cdn/a/main.mpd") == (
        first.replace(
            "<Representation/>",
            f"<Representation><BaseURL>{CDN}cdn/a/</BaseURL></Representation>",
        )
        + "<Period><BaseURL>"
        + second.replace(ADDRESSED, SEALED.format("/live/ad/"))
    )


# --- Tempo ---------------------------------------------------------------------------------------

LOCATION = "<Location>https://play.example/live/a/main.mpd?x=1&amp;_sid=[play.example/live/a/main.mpd].T</Location>"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", LOCATION),
        ("<BaseURL>a/</BaseURL>", f"<BaseURL>a/</BaseURL>{LOCATION}"),
        ("<ProgramInformation><Title>x</Title></ProgramInformation>\n", None),
        ("<Location>https://elsewhere/x.mpd</Location>", LOCATION),
        ("<Location/><Location x='1'>main.mpd</Location>", LOCATION),
        ("<PatchLocation ttl='60'>https://elsewhere/x.mpp</PatchLocation>", LOCATION),
    ],
)
def test_a_dynamic_mpd_is_refreshed_here_and_nowhere_else(before: str, after: str | None) -> None:
    attributes = ' type="dynamic" minimumUpdatePeriod="PT2S"'
    after = before.replace("\n", f"{LOCATION}\n") if after is None else after
    text = mpd(before + period(""), attributes)
    assert rendered(text, query="x=1") == mpd(after + period(""), attributes)


@pytest.mark.parametrize(
    ("given", "served", "interval"),
    [
        ("", ' minimumUpdatePeriod="PT15S"', 15.0),
        (' minimumUpdatePeriod="PT2.5S"', None, 2.5),
        (" minimumUpdatePeriod = 'PT15S'", None, 15.0),
        (" minimumUpdatePeriod = 'PT0S'", None, 0.0),
        (" minimumUpdatePeriod = 'PT1H'", " minimumUpdatePeriod = 'PT15S'", 15.0),
    ],
)
def test_a_dynamic_mpd_asks_to_be_refreshed_soon_enough(
    given: str, served: str | None, interval: float
) -> None:
    body = mpd(period(""), f'{given} type="dynamic"')
    template = compiled(body)
    expected = mpd(period(""), f'{given if served is None else served} type="dynamic"')
    if not given:
        expected = expected.replace("<MPD xmlns", f"<MPD{served} xmlns").replace(
            f'1"{served}', '1"'
        )
    location = LOCATION.replace("x=1&amp;", "")
    assert template.render(b"T").decode() == expected.replace("<Period", f"{location}<Period")
    assert template.pace == Pace(live=True, interval=interval)
    assert not template.media_playlist
    assert template.refreshes_by_location
    assert template.content_type == "application/dash+xml"


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        (mpd(period(""), ' mediaPresentationDuration="PT1M0.5S"'), 60.5),
        (mpd("<Period duration='PT10S'/><Period duration='PT5S'/>"), 15.0),
        (mpd("<Period/><Period start='PT60S'/><Period start='PT70S' duration='PT5S'/>"), 75.0),
        (mpd(period(""), ' type="static" minimumUpdatePeriod="PT1H"'), 0.0),
    ],
)
def test_a_static_mpds_pace_is_its_duration(text: str, duration: float) -> None:
    template = compiled(text)
    assert template.pace == Pace(live=False, duration=duration)
    assert not template.refreshes_by_location
    assert template.chunks == (text.encode(),)


def test_a_static_mpds_location_is_a_manifest() -> None:
    text = "<Location>other.mpd</Location>" + period("")
    assert within(text) == text.replace(
        "other.mpd", "other.mpd?_sid=[play.example/live/a/other.mpd].T"
    )


# --- Broken --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<html/>", "line 1: its root is no MPD"),
        ("<SmoothStreamingMedia/>", "line 1: its root is no MPD"),
        ("\n<MPD/>", "line 2: it has no Period"),
        (mpd(period("")).removesuffix("</MPD>\n"), "line 3: it is no well-formed XML"),
        (mpd(period(""), " mediaPresentationDuration='soon'"), "line 3: .*Duration is no duration"),
        (mpd("\n<Period duration='5'/>"), "line 4: duration is no duration"),
        (mpd(period(""), " type='dynamic' minimumUpdatePeriod='-PT1S'"), "line 3: minimumUpdate"),
    ],
)
def test_a_broken_mpd_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(OriginInvalid, match=f"broken at {reason}"):
        compiled(text)


@pytest.mark.parametrize(
    "inside",
    [
        "<BaseURL>a/</BaseURL><BaseURL>b/</BaseURL>" * 400
        + "<Period>"
        + "<BaseURL>c</BaseURL>" * 200,
        "<Period><AdaptationSet><SegmentList>"
        + "<SegmentURL media='1'/>" * 500
        + "</SegmentList>"
        + "".join(f"<Representation><BaseURL>{i}/</BaseURL></Representation>" for i in range(500))
        + "</AdaptationSet>",
    ],
)
def test_links_that_multiply_are_refused_before_they_cost_seconds(inside: str) -> None:
    body = mpd(inside + "</Period>")
    if "<BaseURL>a/" in inside:
        body = body.replace("a/", "{}/").format(*range(400)).replace("b/", "c/")
    with pytest.raises(OriginInvalid, match="too many links"):
        compiled(body)


def test_an_mpd_of_five_megabytes_is_rewritten_whole() -> None:
    count = 30_000
    names = "".join(
        f"<SegmentURL media='segments/video-1080p/segment-{i}.m4s' />" for i in range(count)
    )
    timeline = "".join(f"<S t='{i * 96000}' d='96000'/>" for i in range(120_000))
    text = mpd(
        period(
            f"<AdaptationSet><Representation><SegmentList>{names}</SegmentList></Representation>"
            "</AdaptationSet><AdaptationSet><SegmentTemplate media='$Time$.m4s'><SegmentTimeline>"
            f"{timeline}</SegmentTimeline></SegmentTemplate></AdaptationSet>"
        )
    )
    assert len(text) > 5_000_000
    result = rendered(text)
    assert result.count(".m4s?_sid=[/live/a/segments/video-1080p/].T' />") == count
    assert "$Time$.m4s?_sid=[/live/a/].T" in result


# --- Properties ----------------------------------------------------------------------------------

PLAYER = Player()
PAGE = "https://play.example"
BASE_URLS = st.sampled_from(
    [
        *("a/", "b/", "../c/", "v.mp4", "/live/x/", "/open/x/", "/cdn/x/", "/elsewhere/"),
        *("https://play.example/live/y/", "//play.example/live/z/", "http://origin-a:8000/live/o/"),
        *("https://evil.example/live/", "//evil.example/", "http://origin-a:8000/cdn/v.mp4"),
    ]
)
URIS = st.sampled_from(
    [
        *("1.m4s", "$Number$.m4s", "$RepresentationID$/$Time$.m4s?q=1&r", "x/$Number%03d$.m4s"),
        *("x/../1.m4s", "/live/t/$Number$.m4s", "/cdn/1.m4s", "http://origin-a:8000/live/1.m4s"),
        *("https://evil.example/live/1.m4s", "x/1.m3u8", "s.m4s?_sid=old"),
    ]
)


@st.composite
def levels(draw: st.DrawFn, names: tuple[str, ...] = ("AdaptationSet", "Representation")) -> str:
    """A Period, or what is below it, with BaseURLs and a SegmentTemplate wherever they may be."""
    inside = "".join(f"<BaseURL>{url}</BaseURL>" for url in draw(st.lists(BASE_URLS, max_size=2)))
    if draw(st.booleans()):
        inside += f"<SegmentTemplate media={quoteattr(draw(URIS))} initialization='i.mp4'/>"
    for _ in range(draw(st.integers(1, 2)) if names else 0):
        inside += f"<{names[0]} id='r1'>{draw(levels(names[1:]))}</{names[0]}>"
    return inside


def segment_urls(text: str, base: str) -> list[tuple[str, ...]]:
    """Every URL at which a player may look for each segment, by another parser than ours."""
    found: list[tuple[str, ...]] = []

    def visit(element: ET.Element, bases: tuple[str, ...], media: dict[str, str]) -> None:
        own = [child.text or "" for child in element.iterfind("{*}BaseURL")]
        bases = tuple(urljoin(base, url) for base in bases for url in own) if own else bases
        for template in element.iterfind("{*}SegmentTemplate"):
            media = {**media, **template.attrib}
        for name in ("Period", "AdaptationSet", "Representation"):
            for child in element.iterfind(f"{{*}}{name}"):
                visit(child, bases, media)
        if element.tag.endswith("}Representation"):
            names = [re.sub(r"\$.*?\$", "7", uri) for _, uri in sorted(media.items())] or [""]
            found.extend(tuple(urljoin(base, name) for base in bases) for name in names)

    visit(ET.fromstring(text), (f"{PAGE}{base}",), {})
    return found


def place_of(url: str) -> str:
    """A URL without what may be changed about it: ticket, scheme, the host of direct segments."""
    url = url.replace("http:", "https:")
    return re.sub(r"([?&])_sid=[^&]*&?", r"\1", url.replace(CDN, f"{PAGE}/")).rstrip("?&")


@unhurried
@given(
    levels(("Period", "AdaptationSet", "Representation")),
    st.sampled_from(["/live/a/m.mpd", "/open/m.mpd", "/cdn/a/m.mpd"]),
    st.sampled_from([None, f"{PAGE}/_playgate/steering"]),
)
def test_every_segment_is_where_it_was_and_is_let_in_there(
    inside: str, base: str, steering: str | None
) -> None:
    text = mpd(f"{inside}<Period/>")
    around = PLAYER.sealed(links(base, ROUTES, steering=steering))
    template = compile_dash(text.encode(), around)
    served = template.render(PLAYER.ticket).decode()
    assert "origin-a" not in served
    # What a foreign representation shares with one of ours cannot be put right for both.
    is_shared_abroad = re.search("<BaseURL>[^<]*evil", text) is not None
    is_all_signed = base.startswith("/live/") and not re.search(
        "<BaseURL>[^<]*(evil|elsewhere|cdn|open)", text
    )
    for before, after in zip(segment_urls(text, base), segment_urls(served, base), strict=True):
        meant = {place_of(url.replace("http://origin-a:8000", PAGE)) for url in before}
        if meant == {f"{PAGE}{base}"}:
            continue  # a representation of nothing
        for url in after:
            assert place_of(url) in meant or is_shared_abroad
            fetch = PLAYER.fetch(base, url)
            if fetch.verdict == "foreign":
                assert "_sid=" not in url.replace("_sid=old", "")
            elif fetch.path.startswith("/live/") and "_sid=old" not in url:
                assert fetch.verdict != "misfit"
            is_segment = fetch.path.startswith("/live/") and "m4s" in fetch.path
            if is_all_signed and is_segment and fetch.verdict != "foreign":
                assert fetch.verdict == "segment"
            if all(one.startswith(f"{PAGE}/cdn/") for one in meant) and not is_shared_abroad:
                assert url.startswith(CDN) or fetch.verdict == "manifest"
