"""The stage itself: what the matrix rests on is what it says it is."""

import asyncio
import re

import pytest

from tests.e2e.media import PARTS
from tests.e2e.player import Form
from tests.e2e.stage import Stage, Viewer
from tests.support import needs

pytestmark = pytest.mark.e2e


async def fetch(running: Stage, url: str) -> tuple[int, str]:
    async with running.client.get(url) as answer:
        return answer.status, await answer.text(errors="replace")


async def playlist(viewer: Viewer, form: Form) -> str:
    """The ticketed URL of a rendition's playlist."""
    _, master = await fetch(viewer.stage, viewer.url(form))
    found = re.search(r"^high\.m3u8.*$", master, re.MULTILINE)
    assert found
    return viewer.path(form).replace("master.m3u8", found[0])


# Where segments are numbered, ffmpeg runs past the live edge: that form GStreamer alone plays.
@pytest.mark.parametrize("form", [form for form in Form if form is not Form.DASH_NUMBERED])
async def test_every_form_decodes_without_a_complaint(on_stage: Stage, form: Form) -> None:
    ffmpeg = needs.program("ffmpeg", install="apt-get install ffmpeg")
    process = await asyncio.create_subprocess_exec(
        *(ffmpeg, "-v", "error", "-nostdin", "-i", on_stage.viewer().url(form), "-t", "4"),
        *("-map", "0:v:0", "-map", "0:a:0", "-f", "null", "-"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


async def test_a_blocking_reload_is_answered_when_its_part_exists(on_stage: Stage) -> None:
    url = await playlist(on_stage.viewer(), Form.LL_HLS)
    _, before = await fetch(on_stage, url)
    hint = re.search(r"PRELOAD-HINT:TYPE=PART,URI=\"high/(\d+)\.(\d)\.m4s", before)
    assert hint
    number, part = hint.groups()
    _, after = await fetch(on_stage, f"{url}&_HLS_msn={number}&_HLS_part={part}")
    assert f'URI="high/{number}.{part}.m4s' in after.split("PRELOAD-HINT")[0]
    status, _ = await fetch(on_stage, f"{url}&_HLS_msn={int(number) + 9}&_HLS_part=0")
    assert status == 400


async def test_a_delta_update_skips_old_segments_only(on_stage: Stage) -> None:
    url = await playlist(on_stage.viewer(), Form.LL_HLS)
    _, delta = await fetch(on_stage, f"{url}&_HLS_skip=YES")
    skipped = re.search(r"SKIPPED-SEGMENTS=(\d+)", delta)
    first = re.search(r"MEDIA-SEQUENCE:(\d+)", delta)
    shown = re.search(r"^high/(\d+)\.m4s", delta, re.MULTILINE)
    assert skipped
    assert first
    assert shown
    assert int(shown[1]) == int(first[1]) + int(skipped[1])


async def test_a_hinted_part_is_held_until_it_exists(on_stage: Stage) -> None:
    viewer = on_stage.viewer()
    url = await playlist(viewer, Form.LL_HLS)
    _, text = await fetch(on_stage, url)
    hint = re.search(r"PRELOAD-HINT:TYPE=PART,URI=\"(.*?)\"", text)
    assert hint
    status, _ = await fetch(on_stage, f"{viewer.path(Form.LL_HLS).rpartition('/')[0]}/{hint[1]}")
    assert status == 200
    _, later = await fetch(on_stage, url)
    number, part = map(int, re.findall(r"high/(\d+)\.(\d)\.m4s", hint[1])[0])
    newest = re.findall(r"#EXT-X-PART:.*high/(\d+)\.(\d)\.m4s", later)[-1]
    assert int(newest[0]) * PARTS + int(newest[1]) >= number * PARTS + part


async def test_the_door_knows_whose_request_it_was(on_stage: Stage) -> None:
    viewer, other = on_stage.viewer(), on_stage.viewer()
    url = await playlist(viewer, Form.HLS_VOD)
    await fetch(on_stage, url)
    async with other.occupied():
        assert await other.start(Form.DASH_LIVE, other.account) == 429
    assert [(visit.kind, visit.status) for visit in viewer.visits()] == [
        ("entry", 200),
        ("child", 200),
    ]
    assert [(visit.kind, visit.status) for visit in other.visits()] == [("entry", 429)]
    assert [entry.path for entry in other.at_origin()] == []
    assert await viewer.count() == 1
    await viewer.end()
    assert await viewer.count() == 0
    status, _ = await fetch(on_stage, url)
    assert status == 409
