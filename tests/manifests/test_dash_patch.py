import pytest

from proxy.errors import OriginInvalid
from proxy.manifests.dash import compile_dash
from proxy.manifests.dash_patch import MAX_SELECTOR, UNFIT_PATCH
from proxy.manifests.template import Template
from tests.manifests.world import Mode, links

BASE = "/live/a/main.mpd"
ROUTES: dict[str, Mode] = {"/live/**": "signed"}
TIMELINE = "/MPD/Period[@id='1']/AdaptationSet[@id=\"2/3\"]/SegmentTemplate/SegmentTimeline"
NEXT = "<PatchLocation ttl='60'>{}</PatchLocation>"


def patch(inside: str) -> str:
    return (
        "<?xml version='1.0'?><Patch xmlns='urn:mpeg:dash:schema:mpd-patch:2020' mpdId='a'"
        " originalPublishTime='2026-01-01T00:00:00Z' publishTime='2026-01-01T00:00:02Z'>"
        f"<replace sel='/MPD/@publishTime'>2026-01-01T00:00:02Z</replace>{inside}</Patch>"
    )


def operation(name: str, path: str, inside: str = "", attributes: str = "") -> str:
    selector = path.replace('"', "&quot;")
    return f'<{name} sel="{selector}"{attributes}>{inside}</{name}>'


def compiled(text: str) -> Template:
    return compile_dash(text.encode(), links("/live/a/main.mpp", ROUTES))


@pytest.mark.parametrize(
    "inside",
    [
        "",
        operation("add", TIMELINE, "<S t='0' d='4' r='1'/>"),
        operation("remove", f"{TIMELINE}/S[1]"),
        operation("replace", f"{TIMELINE}/S[@t='4']/@r", "7"),
        operation("remove", "/MPD/Period[@id='0']"),
        operation("replace", "/MPD/@mediaPresentationDuration", "PT1H"),
        operation("replace", "/MPD/Period[2]/AdaptationSet/SegmentTemplate/@startNumber", "9"),
        operation("add", "/MPD/Period/EventStream", "<Event id='1'>https://ads.example/1</Event>"),
        operation("add", "/MPD/Period", "2", " type='@duration'"),
        operation("remove", "/MPD/PatchLocation"),
    ],
)
def test_a_patch_that_brings_no_uri_is_passed_on_as_it_is(inside: str) -> None:
    template = compiled(patch(inside))
    assert template.chunks == (patch(inside).encode(),)
    assert template.content_type == "application/dash-patch+xml"
    assert template.pace is None
    assert template.refreshes_by_location
    assert template.in_full is UNFIT_PATCH


def test_the_next_patch_is_asked_for_with_the_ticket() -> None:
    text = patch(operation("replace", "/MPD/PatchLocation[1]", NEXT))
    for given, scope in (
        ("/live/a/main.mpp?t=2&amp;x=1", "/live/a/main.mpp"),
        ("main.mpd?t=2", "/live/a/main.mpd"),
        ("http://origin-a:8000/live/b/p.mpp?t=2", "/live/b/p.mpp"),
    ):
        shown = given.replace("http://origin-a:8000", "")
        ticket = f"&amp;_sid=[play.example{scope}].T"
        served = compiled(text.format(given)).render(b"T").decode()
        assert served == text.format(shown + ticket)


@pytest.mark.parametrize(
    "inside",
    [
        operation("add", "/MPD", "<Period id='2'/>"),
        operation("add", "/MPD", "<m:Period xmlns:m='urn:mpeg:dash:schema:mpd:2011'/>"),
        operation("add", "/MPD/Period[1]", "<AdaptationSet/>"),
        operation("add", "/MPD/Period[1]/AdaptationSet/SegmentList", "<SegmentURL media='1'/>"),
        operation("replace", "/MPD/Period/AdaptationSet/SegmentTemplate/@media", "x.m4s"),
        operation("add", "/MPD/Period/AdaptationSet/SegmentTemplate", "x", " type='@media'"),
        operation("replace", "/MPD/Location", "<Location>x.mpd</Location>"),
        operation("remove", "/MPD/Location[1]"),
        operation("add", "/MPD", "<Location>x.mpd</Location>"),
        operation("remove", "/MPD/BaseURL[2]"),
        operation("replace", "/MPD/BaseURL[1]/text()", "b/"),
        operation("replace", "/MPD/PatchLocation/text()", "x.mpp"),
        operation("replace", "/MPD/@minimumUpdatePeriod", "PT1H"),
        operation("remove", "/MPD/@minimumUpdatePeriod"),
        operation("replace", "/MPD/@type", "static"),
        operation("add", "/MPD", NEXT.format("https://elsewhere/x.mpp")),
        operation("add", "/MPD", NEXT.format("http://origin-a:8000/elsewhere/x.mpp")),
        operation("add", "/MPD", NEXT.format("/live/a/patch?x=1")),
        operation("add", "/MPD", NEXT.format("")),
        operation("remove", "//S[1]"),
        operation("remove", "/MPD/Period/*"),
        operation("remove", "/MPD/Period/../Location"),
        operation("remove", "/MPD/Period['unclosed]"),
        operation("remove", "/MPD/Period[SegmentList[1]]"),
        operation("remove", "/MPD" + "[" * 1000),
        "<add><S/></add>",
        "<SegmentTemplate media='x'/>",
    ],
)
def test_another_makes_the_player_fetch_the_mpd_in_full(inside: str) -> None:
    assert compiled(patch(inside)) is UNFIT_PATCH


@pytest.mark.parametrize(
    ("length", "is_passed_on"), [(MAX_SELECTOR, True), (MAX_SELECTOR + 1, False)]
)
def test_only_a_selector_of_bounded_length_is_read(length: int, is_passed_on: bool) -> None:
    path = "/MPD/Period[@id='{}']"
    text = patch(operation("remove", path.format("x" * (length - len(path.format(""))))))
    assert (compiled(text) is not UNFIT_PATCH) == is_passed_on


def test_a_patch_that_nobody_could_read_is_refused() -> None:
    with pytest.raises(OriginInvalid, match="no well-formed XML"):
        compiled(patch("<add>"))


def test_an_mpd_in_place_of_a_patch_is_an_mpd() -> None:
    text = "<MPD type='dynamic' minimumUpdatePeriod='PT2S'><Period/></MPD>"
    assert compiled(text).pace is not None


@pytest.mark.parametrize(
    ("given", "served"),
    [
        ("main.mpp?t=1", "main.mpp?t=1&amp;_sid=[play.example/live/a/main.mpp].T"),
        ("?t=1", "?t=1&amp;_sid=[play.example/live/a/main.mpd].T"),
        ("/live/patch/x.mpp", "/live/patch/x.mpp?_sid=[play.example/live/patch/x.mpp].T"),
        ("patch?t=1", None),
        ("https://elsewhere/main.mpp", None),
        ("http://origin-a:8000/elsewhere/x.mpp", None),
    ],
)
def test_an_mpd_names_a_patch_with_the_ticket_or_not_at_all(given: str, served: str | None) -> None:
    shell = "<MPD type='dynamic' minimumUpdatePeriod='PT2S'>{}<Period/></MPD>"
    text = shell.format(NEXT.format("x.mpp") + NEXT.format(given))
    shown = compile_dash(text.encode(), links(BASE, ROUTES)).render(b"T").decode()
    location = f"<Location>https://play.example{BASE}?_sid=[play.example{BASE}].T</Location>"
    first = NEXT.format("x.mpp?_sid=[play.example/live/a/x.mpp].T")
    expected = first + NEXT.format(served) if served else ""
    assert shown == shell.format(location + expected)
