"""What a player is to the matrix: something that is given a URL and left alone.

A player is unmodified and has its default settings. The suite never tells it to stop, retry or
beat: it looks at what is shown, and kills it.
"""

from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol


class Form(StrEnum):
    """How a title is served; the value is the first folder of its path at the stage's origin."""

    HLS_VOD = "hls-vod"
    HLS_LIVE = "hls-live"
    LL_HLS = "ll-hls"
    DASH_VOD = "dash-vod"
    DASH_LIVE = "dash-live"
    # The same by numbers and a duration instead of a timeline.
    DASH_NUMBERED = "dash-numbered"

    @property
    def live(self) -> bool:
        return self not in (Form.HLS_VOD, Form.DASH_VOD)

    @property
    def entry(self) -> str:
        """The name of the entry manifest."""
        return "manifest.mpd" if self.startswith("dash") else "master.m3u8"


class Playing(Protocol):
    """A player at work."""

    async def position(self) -> float:
        """Seconds of media shown since it was given the URL; read, for what only reads.

        Any zero will do: only differences are looked at. 0 until something is shown.
        """

    async def failure(self) -> str | None:
        """What it gave up with, in its own words; None while it goes on, whatever it thinks."""

    async def crash(self) -> None:
        """Kill -9 all of its processes and wait until they are gone: no goodbye is said."""


class Player(Protocol):
    """One player of the matrix."""

    @property
    def name(self) -> str:
        """Its name in the table."""

    @property
    def forms(self) -> frozenset[Form]:
        """What it plays at all."""

    def play(self, url: str, form: Form) -> AbstractAsyncContextManager[Playing]:
        """Start it on an entry manifest; leaving the context ends it, if it still runs."""
