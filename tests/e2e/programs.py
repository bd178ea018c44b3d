"""Players that are programs: each is started as a person would in a terminal, and left alone.

They show their pictures to nobody, but in real time: what plays, plays at the pace of its clock.
What only reads is made to read at a viewer's pace, as far as it can be told to:

    ffmpeg        ``-re``
    streamlink    pipes into mpv, its player here, and reads ahead of it
    yt-dlp        on demand ``--limit-rate``, so that a film takes minutes; live comes as it is made

A position is what a program says of its own progress; for yt-dlp on demand, which counts fragments,
the media in them. To all of them LL-HLS is live HLS: none asks for parts.
"""

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.media import SEGMENT_SECONDS
from tests.e2e.player import Form
from tests.support import needs

# Characters of what was printed last: a line that comes in two reads is found whole.
TAIL = 4096
# A URL, or the end of one: it holds the token, and tells nothing.
ADDRESS = re.compile(r"\S*(?:https?://|token=)\S*")
# What a terminal is told to do: colours, clearing a line.
CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Less rights than root's for a program that refuses those.
NOBODY = {"user": "nobody", "group": "nogroup", "extra_groups": ()}


class Running:
    """A program at work, with the processes it started."""

    def __init__(self, program: "Program", process: Process) -> None:
        self._program = program
        self._process = process
        self._tail = ""
        self._position = 0.0

    async def read(self) -> None:
        """Take in what it prints, until it ends."""
        assert self._process.stdout is not None
        while data := await self._process.stdout.read(TAIL):
            text = CONTROL.sub("", data.decode(errors="replace")).replace("\r", "\n")
            printed = self._tail + text
            if found := self._program.progress.findall(printed):
                self._position = self._program.seconds(found[-1])
            self._tail = printed[-TAIL:]

    async def position(self) -> float:
        if self._program.question and self._process.returncode is None:
            assert self._process.stdin is not None
            # It may have gone this moment. Else the answer is there by the next time.
            with contextlib.suppress(ConnectionError):
                self._process.stdin.write(self._program.question)
                await self._process.stdin.drain()
        return self._position

    async def failure(self) -> str | None:
        if self._process.returncode is None:
            return None
        lines = [line.strip() for line in ADDRESS.sub("…", self._tail).splitlines() if line.strip()]
        return f"exit {self._process.returncode}: {lines[-1] if lines else ''}"

    async def crash(self) -> None:
        # It leads a group of its own, with whatever it started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


def clock(text: str) -> float:
    """Read ``[[H:]M:]S`` as seconds."""
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


@dataclass(frozen=True)
class Program:
    """A player that is a program.

    ``progress`` finds how far it is in what it prints, ``seconds`` reads that; ``question`` makes
    it say so, where it must be asked.
    """

    name: str
    command: Callable[[str, Form], Sequence[str]]
    progress: re.Pattern[str]
    seconds: Callable[[str], float] = clock
    question: bytes = b""
    forms: frozenset[Form] = frozenset(Form) - {Form.DASH_NUMBERED}
    refuses_root: bool = False

    @asynccontextmanager
    async def play(self, url: str, form: Form) -> AsyncIterator[Running]:
        who: dict[str, Any] = NOBODY if self.refuses_root and os.geteuid() == 0 else {}
        with tempfile.TemporaryDirectory() as folder:
            process = await asyncio.create_subprocess_exec(
                *self.command(url, form),
                stdin=PIPE,
                stdout=PIPE,
                stderr=STDOUT,
                cwd=folder,
                start_new_session=True,
                **who,
            )
            running = Running(self, process)
            reading = asyncio.create_task(running.read())
            try:
                yield running
            finally:
                await running.crash()
                await reading


def ffmpeg(url: str, _form: Form) -> Sequence[str]:
    program = needs.program("ffmpeg", install="apt-get install ffmpeg")
    quiet = ("-hide_banner", "-nostdin", "-loglevel", "warning", "-stats")
    return (program, *quiet, "-re", "-i", url, "-f", "null", "-")


def mpv_alone(*arguments: str) -> Sequence[str]:
    program = needs.program("mpv", install="apt-get install mpv")
    return (program, "--no-config", "--vo=null", "--ao=null", *arguments)


def mpv(url: str, form: Form) -> Sequence[str]:
    # Its cache reads ahead, and libavformat's DASH demuxer does not wait at the live edge: it asks
    # for segments that do not exist yet, and for the MPD before each, hundreds of times a second.
    return mpv_alone(*(["--cache=no"] if form is Form.DASH_LIVE else []), url)


def vlc(url: str, _form: Form) -> Sequence[str]:
    program = needs.program("vlc", install="apt-get install vlc-bin vlc-plugin-base")
    remote = ("-I", "oldrc", "--rc-fake-tty", "--play-and-exit")
    return (program, "--ignore-config", *remote, "--vout", "dummy", "--aout", "dummy", url)


def gstreamer(url: str, _form: Form) -> Sequence[str]:
    install = "apt-get install gstreamer1.0-plugins-base-apps"
    program = needs.program("gst-play-1.0", install=install)
    sink = "fakesink sync=true"
    return (
        *(program, "--no-interactive", "--use-playbin3"),
        *("--videosink", sink, "--audiosink", sink, url),
    )


def streamlink(url: str, _form: Form) -> Sequence[str]:
    player, *arguments = mpv_alone()
    return (
        *(sys.executable, "-m", "streamlink", "--no-config", "--verbose-player"),
        # Or it would close the player as soon as it has read a film, which takes seconds.
        "--player-no-close",
        *("--player", player, "--player-args", " ".join(arguments), url, "best"),
    )


def yt_dlp(url: str, _form: Form) -> Sequence[str]:
    needs.program("ffmpeg", install="apt-get install ffmpeg")
    return (
        *(sys.executable, "-m", "yt_dlp", "--ignore-config", "--no-cache-dir"),
        *("--progress-template", "download:fragment %(progress.fragment_index)s", "--newline"),
        # Bytes a second: a little more than the media's own.
        *("--limit-rate", "10K", "--output", "film", url),
    )


def fragments_or_clock(text: str) -> float:
    """Read yt-dlp's progress: fragments where it loads them itself, a time where ffmpeg does."""
    return clock(text) if ":" in text else int(text) * SEGMENT_SECONDS


FFMPEG_TIME = re.compile(r"time=(\d+:\d\d:\d\d\.\d\d)")
MPV_TIME = re.compile(r"V: (\d+:\d\d:\d\d) /")

PROGRAMS = (
    Program("ffmpeg", ffmpeg, FFMPEG_TIME),
    Program("mpv", mpv, MPV_TIME),
    Program(
        "VLC",
        vlc,
        re.compile(r"^(?:> )*(\d+)$", re.MULTILINE),
        question=b"get_time\n",
        refuses_root=True,
    ),
    Program(
        "GStreamer",
        gstreamer,
        re.compile(r"(\d+:\d\d:\d\d\.\d) /"),
        # In a SegmentTimeline that does not begin at zero it looks for the live edge as far again
        # beyond it, and waits: gst_mpd_client2_stream_seek() adds the start of the first segment
        # to the position of the one it found. Numbered segments it plays.
        forms=frozenset(Form) - {Form.DASH_LIVE},
    ),
    Program("streamlink", streamlink, MPV_TIME),
    Program(
        "yt-dlp",
        yt_dlp,
        re.compile(r"(?:time=|fragment )(\d[\d:.]*)"),
        seconds=fragments_or_clock,
    ),
)
