import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import OriginInvalid
from proxy.manifests.compiler import compile_manifest
from proxy.manifests.kinds import Format, is_manifest_path, recognise
from proxy.manifests.template import Template
from proxy.streams import Pace
from tests.manifests.test_dash import mpd
from tests.manifests.test_hls import MEDIA, MULTIVARIANT
from tests.manifests.world import Mode, Player, links, unhurried, without_tickets

# The media is made once, for one process.
pytestmark = pytest.mark.xdist_group("made by ffmpeg")

MADE = ["ts/master.m3u8", "ts/0.m3u8", "ts/2.m3u8", "ranges/main.m3u8", "live/main.m3u8"]
MADE += ["timeline/main.mpd", "number/main.mpd", "single/main.mpd", "dynamic/main.mpd"]
PLAYER = Player()


def compiled(body: bytes, path: str, mode: Mode = "signed") -> Template:
    world = PLAYER.sealed(links(path, {"/live/**": mode}))
    return compile_manifest(body, recognise(None, path, body), world)


# --- What ffmpeg makes ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", MADE)
def test_what_ffmpeg_wrote_differs_by_tickets_only(media: Path, name: str) -> None:
    body = (media / name).read_bytes()
    served = compiled(body, f"/live/{name}").render(PLAYER.ticket)
    assert served.count(b"_sid=") > 0
    plain = without_tickets(served.decode())
    if name == "dynamic/main.mpd":
        plain = plain.replace("<Location>https://play.example/live/dynamic/main.mpd</Location>", "")
        body = re.sub(rb'minimumUpdatePeriod="PT500S"', b'minimumUpdatePeriod="PT15S"', body)
    assert plain.encode() == body


@pytest.mark.parametrize("name", MADE)
def test_what_ffmpeg_wrote_is_served_as_it_is_where_segments_are_open(
    media: Path, name: str
) -> None:
    body = (media / name).read_bytes()
    if name not in ("ts/master.m3u8", "dynamic/main.mpd"):
        assert compiled(body, f"/live/{name}", "open").chunks == (body,)


@pytest.mark.parametrize(
    ("name", "pace", "is_media_playlist"),
    [
        ("ts/master.m3u8", None, False),
        ("ts/0.m3u8", Pace(live=False, duration=4.0), True),
        ("ranges/main.m3u8", Pace(live=False, duration=4.0), True),
        ("live/main.m3u8", Pace(live=True, interval=1.0), True),
        ("timeline/main.mpd", Pace(live=False, duration=4.0), False),
        ("single/main.mpd", Pace(live=False, duration=4.0), False),
    ],
)
def test_the_tempo_of_what_ffmpeg_wrote(
    media: Path, name: str, pace: Pace | None, *, is_media_playlist: bool
) -> None:
    template = compiled((media / name).read_bytes(), f"/live/{name}")
    assert template.pace == pace
    assert template.media_playlist is is_media_playlist


def test_an_mpd_that_still_grows_is_live(media: Path) -> None:
    pace = compiled((media / "dynamic" / "main.mpd").read_bytes(), "/live/dynamic/main.mpd").pace
    assert pace is not None
    assert pace.live
    assert 0 < pace.interval <= 15


@contextmanager
def served(folder: Path, refused: list[str] | None = None) -> Iterator[str]:
    """A server of a folder; with ``refused``, it asks for the ticket that belongs to each file."""
    entry: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fetch = PLAYER.fetch("/", self.path)
            file = folder / fetch.path.removeprefix("/live/")
            entry.append(fetch.path)
            is_let_in = fetch.verdict in ("manifest", "segment") or fetch.path == entry[0]
            if refused is not None and not is_let_in:
                refused.append(self.path)
                self.send_error(401)
                return
            if not file.exists():
                self.send_error(404)
                return
            body = file.read_bytes()
            if refused is not None and is_manifest_path(fetch.path):
                body = compiled(body, fetch.path).render(PLAYER.ticket)
            bounds = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if bounds:
                total = len(body)
                body = body[int(bounds[1]) : int(bounds[2]) + 1 if bounds[2] else None]
                self.send_response(206)
                end = int(bounds[1]) + len(body) - 1
                self.send_header("Content-Range", f"bytes {bounds[1]}-{end}/{total}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/live/"
        finally:
            server.shutdown()
            thread.join()


def frames(ffmpeg: str, entry: str) -> list[str]:
    """The checksums of all pictures ffmpeg finds behind a manifest."""
    command = (ffmpeg, "-v", "quiet", "-i", entry, "-map", "0:v:0", "-f", "framecrc", "-")
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


@pytest.mark.parametrize(
    "name", ["ts/master.m3u8", "ranges/main.m3u8", "timeline/main.mpd", "single/main.mpd"]
)
def test_ffmpeg_plays_what_was_rewritten_and_each_request_is_let_in(
    ffmpeg: str, media: Path, name: str
) -> None:
    refused: list[str] = []
    with served(media, refused) as origin:
        played = frames(ffmpeg, origin + name)
    with served(media) as origin:
        unguarded = frames(ffmpeg, origin + name)
    assert not refused
    assert len(played) > 20
    assert played == unguarded


# --- What would be too large with tickets ---------------------------------------------------------


def long_manifest(form: Format, links: int) -> bytes:
    """A media playlist or an MPD of that many segments."""
    if form is Format.HLS:
        return b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n" + b"#EXTINF:2,\ns.ts\n" * links
    listed = "<SegmentList>" + "<SegmentURL media='s.m4s'/>" * links + "</SegmentList>"
    adaptation = f"<AdaptationSet><Representation>{listed}</Representation></AdaptationSet>"
    return mpd(f"<Period>{adaptation}</Period>").encode()


@pytest.mark.parametrize("form", Format)
def test_a_day_of_segments_gets_its_tickets_and_no_manifest_grows_without_bound(
    form: Format,
) -> None:
    day = compile_manifest(long_manifest(form, 43_200), form, links("/live/a/m"))
    assert len(day.chunks) == 43_201
    with pytest.raises(OriginInvalid, match="too large with a ticket"):
        compile_manifest(long_manifest(form, 50_000), form, links("/live/a/m"))
    unguarded = links("/open/a/m", {"/open/**": "open"})
    assert len(compile_manifest(long_manifest(form, 50_000), form, unguarded).chunks) == 1


# --- What nobody should make ---------------------------------------------------------------------

SEEDS = [
    (Format.HLS, MULTIVARIANT.encode()),
    (Format.HLS, MEDIA.encode()),
    (
        Format.DASH,
        mpd(
            "<BaseURL>http://origin-a:8000/live/</BaseURL><BaseURL>/open/</BaseURL><Location>x"
            "</Location><Period start='PT1S'><AdaptationSet><SegmentTemplate media='$Number$.m4s'"
            " initialization='&#x41;.mp4'><SegmentTimeline><S t='0' d='1'/></SegmentTimeline>"
            "</SegmentTemplate><Representation id='1'><BaseURL>a&amp;b.mp4</BaseURL>"
            "<SegmentList><SegmentURL media='1.m4s'/></SegmentList></Representation>"
            "</AdaptationSet></Period>",
            ' type="dynamic" minimumUpdatePeriod="PT2S" mediaPresentationDuration="PT1M"',
        ).encode(),
    ),
]
SCRAPS = [b"#EXT-X-STREAM-INF:A=1\n", b"#EXTINF:1\n", b'"', b"\n", b"\r", b",", b"URI=", b"\x00"]
SCRAPS += [b"//", b"?", b"#", b"$", b"{$x}", b"%", b"<", b">", b"'", b"/>", b"&", b"]]>", b"<!--"]
SCRAPS += [b"http://origin-a:8000", b"http://[", b"\xff", b"\xed\xa0\x80", "\u2028".encode(), b";"]
SCRAPS += [b"<BaseURL>", b"</Period>", b"<Period/>", b"PT9S", b"type='dynamic'", b"#EXT-X-ENDLIST"]


@st.composite
def mutants(draw: st.DrawFn) -> tuple[Format, bytes]:
    """A manifest in which a few stretches were cut out, doubled, or replaced by scraps."""
    form, body = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 40)))
        filler = draw(
            st.one_of(st.sampled_from(SCRAPS), st.just(body[start:end] * 2), st.just(b""))
        )
        body = body[:start] + filler + body[end:]
    return form, body


def tried(form: Format, body: bytes, mode: Mode) -> None:
    world = links("/live/a/m.mpd", {"/live/**": mode, "/open/**": "open"})
    try:
        template = compile_manifest(body, form, world)
    except OriginInvalid:
        return
    sealed = sum(len(re.findall(rb"_sid=\[[^]]*\]\.$", chunk)) for chunk in template.chunks[:-1])
    assert sealed == len(template.chunks) - 1
    if form is Format.DASH:
        again = compile_manifest(template.render(b"T"), form, world).render(b"T")
        assert compile_manifest(again, form, world).render(b"T") == again


@unhurried
@given(mutants(), st.sampled_from(["signed", "open", "direct", "deny"]))
def test_a_damaged_manifest_is_compiled_or_refused(
    damaged: tuple[Format, bytes], mode: Mode
) -> None:
    tried(*damaged, mode)


@unhurried
@given(
    st.binary(), st.sampled_from(Format), st.sampled_from([b"", b"#EXTM3U\n", b"<MPD><Period/>"])
)
def test_any_bytes_are_compiled_or_refused(body: bytes, form: Format, start: bytes) -> None:
    tried(form, start + body, "signed")
