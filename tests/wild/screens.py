"""Screens as they stand in homes: what a player sends, from what device, on what network.

Each fetches as real players were seen to: an entry with the token, everything else by the URLs it
was given, with its own User-Agent and fields on each request. Where it is, X-Forwarded-For says,
as a trusted load balancer would write it. Time is the test's: it passes when it is told to.
"""

import html
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from tests.support.stack import Answer, Stack

# User-Agents as they came.
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/156.0.0.0 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
IPHONE = "AppleCoreMedia/1.0.0.21F79 (iPhone; U; CPU OS 17_5 like Mac OS X; en_us)"
APPLE_TV = "AppleCoreMedia/1.0.0.21L569 (Apple TV; U; CPU OS 17_5 like Mac OS X; en_us)"
CHROMECAST = (
    "Mozilla/5.0 (Linux; Android 12.0) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36 CrKey/1.56.500000 DeviceType/AndroidTV"
)
ANDROID = "tv.example/7.2 (Linux;Android 15) AndroidXMedia3/1.11.0"
FFMPEG = "Lavf/59.27.100"
MPV = "libmpv"
VLC = "VLC/3.0.24 LibVLC/3.0.24"

# Networks (RFC 5737, RFC 3849).
HOME = "203.0.113.7"
MOBILE = "198.51.100.23"
HOTEL = "192.0.2.88"
OFFICE = "192.0.3.4"

TARGET_SECONDS = 4
URI = re.compile(r'URI="([^"]+)"')
STEERING = re.compile(
    r'#EXT-X-CONTENT-STEERING:SERVER-URI="([^"]+)"|<ContentSteering[^>]*>([^<]+)<'
)
LOCATION = re.compile(r"<Location>([^<]+)</Location>")
MEDIA = re.compile(r'media="([^"]+)"')


class TestClock:
    """A clock that stands still until it is put forward (seconds)."""

    __test__ = False

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


def links_of(url: str, manifest: str) -> list[str]:
    """Give what a manifest leads to, as paths: playlists, segments, or where an MPD is renewed."""
    found = [html.unescape(location) for location in LOCATION.findall(manifest)]
    for line in manifest.splitlines():
        if line.startswith("#EXT-X-MEDIA:"):
            found += URI.findall(line)
        elif line and line[0] not in "#<" and manifest.startswith("#EXTM3U"):
            found.append(line)
    there = [urlsplit(urljoin(url, link)) for link in found]
    return [split._replace(scheme="", netloc="").geturl() for split in there]


@dataclass
class Screen:
    """One player on one device.

    ``token`` is what its page or app got when it was opened; ``fields`` and ``query`` are its own,
    sent with each request. ``links`` are those of the entry it plays, ``playing`` what it loaded
    of them, ``steering`` is the server it is to ask for as long as it is open.
    """

    stack: Stack
    agent: str
    at: str = HOME
    fields: dict[str, str] = field(default_factory=dict)
    token: str = ""
    entry: str = ""
    links: list[str] = field(default_factory=list)
    playing: list[str] = field(default_factory=list)
    steering: str = ""
    query: str = ""

    def __post_init__(self) -> None:
        self.token = self.token or self.stack.token()

    async def fetch(self, url: str, *, method: str = "GET", **fields: str) -> Answer:
        """Send one request as this player does."""
        fields = {"X-Forwarded-For": self.at, **self.fields, **fields}
        if self.query:
            url = f"{url}{'&' if '?' in url else '?'}{self.query}"
        return await self.stack.ask(url, method=method, agent=self.agent, **fields)

    def url(self, path: str) -> str:
        """Give the URL a page hands to its player."""
        return f"{path}{'&' if '?' in path else '?'}token={self.token}"

    async def start(self, path: str, **fields: str) -> Answer:
        """Fetch an entry manifest."""
        answer = await self.fetch(self.url(path), **fields)
        if answer.status < 300:
            self.entry, self.links, self.playing = path, links_of(path, answer.text), []
            if named := STEERING.search(answer.text):
                url = urlsplit(html.unescape(named[1] or named[2]))
                self.steering = f"{url.path}?{url.query}"
        return answer

    async def load(self, *names: str) -> Answer:
        """Load playlists of the entry by a part of their name; none: the MPD, once more."""
        chosen = [link for link in self.links for name in names or ("",) if name in link]
        assert chosen, (names, self.links)
        self.playing += chosen
        return [await self.fetch(link) for link in chosen][-1]

    async def play(self, path: str, *names: str) -> Answer:
        """Start, and load what a player loads at its start; the answer is the entry's."""
        answer = await self.start(path)
        if answer.status < 300 and self.links:
            await self.load(*names or (("low",) if path.endswith(".m3u8") else ()))
        return answer

    async def refresh(self) -> Answer:
        """Ask again for each live playlist that is playing, or where the MPD says to ask next."""
        answer = [await self.fetch(link) for link in self.playing][-1]
        if self.entry.endswith(".mpd") and answer.status < 300:
            self.playing = links_of(self.entry, answer.text) or self.playing
        return answer

    async def report(self) -> Answer:
        """Ask the steering server, as the manifest demands."""
        answer = await self.fetch(self.steering)
        assert answer.status == 200, "anything else would set off a storm, or end the reports"
        return answer

    async def release(self) -> None:
        """Give the slot back, as a page does that is closed."""
        ticket = re.search(r"_sid=([\w.-]+)", self.steering or self.playing[-1])
        assert ticket
        answer = await self.fetch(f"/_playgate/release?_sid={ticket[1]}", method="POST")
        assert answer.status == 204

    async def segments_of_periods(self, mpd: Answer) -> list[Answer]:
        """Fetch the first segment of each period of an MPD."""
        urls = [html.unescape(link).replace("$Number$", "1") for link in MEDIA.findall(mpd.text)]
        return [await self.fetch(urljoin(self.entry, url)) for url in urls]

    async def segment(self, number: int = 0) -> Answer:
        """Fetch a segment of the playlist loaded last."""
        playlist = self.playing[-1]
        manifest = await self.fetch(playlist)
        return await self.fetch(links_of(playlist, manifest.text)[number])


class Household:
    """An account of three streams, its screens, and the time."""

    def __init__(self, stack: Stack, clock: TestClock) -> None:
        self.stack = stack
        self.clock = clock

    def screen(
        self,
        agent: str,
        at: str = HOME,
        *,
        limit: int | None = None,
        device: str | None = None,
        claims: tuple[str, ...] = (),
        **fields: str,
    ) -> Screen:
        """Put up a screen; ``limit``, ``device`` and ``claims`` are its token's."""
        token = self.stack.token(limit=limit, device=device, claims=claims)
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return Screen(self.stack, agent, at, named, token)

    async def counted(self) -> int:
        """How many streams of the account hold a slot."""
        return len(await self.streams())

    async def streams(self) -> list[dict[str, Any]]:
        """List them, as anybody may who has a token."""
        answer = await self.stack.ask(f"/_playgate/streams?token={self.stack.token()}")
        return list(answer.json["streams"])

    async def live_on(
        self, seconds: int, *screens: Screen, every: int = TARGET_SECONDS
    ) -> set[int]:
        """Let time pass while the screens refresh what they play; give each count there was."""
        return await self._pass(seconds, every, [screen.refresh for screen in screens])

    async def report_on(self, seconds: int, *screens: Screen, every: int = 30) -> set[int]:
        """Let time pass while the screens ask their steering server alone; likewise."""
        return await self._pass(seconds, every, [screen.report for screen in screens])

    async def _pass(
        self, seconds: int, every: int, beats: list[Callable[[], Awaitable[Answer]]]
    ) -> set[int]:
        counts = set()
        for _ in range(seconds // every):
            self.clock.passes(every)
            for beat in beats:
                assert (await beat()).status == 200
            counts.add(await self.counted())
        return counts


def retry_after(refused: Answer) -> int:
    """Give what a refusal says of the time to wait, in seconds."""
    assert (refused.status, refused.code) == (429, "stream_limit")
    return int(refused.headers["Retry-After"])
