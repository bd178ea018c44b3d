"""A crowd of viewers in front of the proxies: what are they told, how fast, and do limits hold?

Accounts may watch on `--limit` devices; each has one device more, which must be refused, and be so
each time it tries. The others start a live channel and refresh its playlist as players do. Segments
are left out: they are the origin's load, or a CDN's. Prints a report, and ends with 1 where a
threshold is missed. Needs what Playgate's image has: aiohttp and PyJWT.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin

import aiohttp
import jwt

# Longer than any player waits.
TIMEOUT_SECONDS = 15
# How long a token is good, beyond the test.
SPARE_SECONDS = 600


@dataclass
class Report:
    """What was seen, by what was asked for: `entry`, `child`, `excess` where a refusal is due."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(self, kind: str, answer: str, seconds: float) -> None:
        """Take one answer down."""
        self.answers[kind, answer] += 1
        self.seconds[kind].append(seconds)

    def quantile(self, kind: str, share: float) -> float:
        """Give the time in seconds that so large a share of answers stayed below; 0 without any."""
        times = sorted(self.seconds[kind])
        return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0

    def missed(self, options: argparse.Namespace) -> Iterator[str]:
        """Give the thresholds that were missed."""
        due = {"entry": "200", "child": "200", "excess": "429"}
        for (kind, answer), times in sorted(self.answers.items()):
            if answer != due[kind]:
                yield f"{kind}: answered {answer}, {times} times"
        for kind in due:
            if not self.seconds[kind]:
                yield f"{kind}: never asked for"
        for kind, most in (("entry", options.entry), ("child", options.child)):
            if (took := self.quantile(kind, 0.99)) > most:
                yield f"{kind}: 99 % within {took:.3f} s, not {most} s"

    def document(self) -> dict[str, object]:
        """Give the numbers."""
        return {
            kind: {
                "answers": {
                    a: times for (k, a), times in sorted(self.answers.items()) if k == kind
                },
                "p50": round(self.quantile(kind, 0.5), 4),
                "p99": round(self.quantile(kind, 0.99), 4),
                "max": round(max(times, default=0.0), 4),
            }
            for kind, times in sorted(self.seconds.items())
        }


class Viewer:
    """One device of one account."""

    def __init__(
        self,
        client: aiohttp.ClientSession,
        options: argparse.Namespace,
        report: Report,
        *,
        account: str,
        device: int,
    ) -> None:
        self._client = client
        self._options = options
        self._report = report
        # The device too many, which comes when the others have begun.
        self.excess = device == options.limit
        self.begun = asyncio.Event()
        claims = {
            "sub": account,
            "device_id": f"device-{device}",
            "max_streams": options.limit,
            "exp": int(time.time() + options.seconds + SPARE_SECONDS),
        }
        secret = os.environ["PLAYGATE_JWT_SECRET"]
        self._entry = f"{options.url}{options.path}?token={jwt.encode(claims, secret)}"

    async def watch(self, begin: float, end: float, household: Sequence["Viewer"]) -> None:
        """Watch, or try to, until the end; times are those of the monotonic clock."""
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        if self.excess:
            for viewer in household:
                await viewer.begun.wait()
        playlist = ""
        asked = 0
        while True:
            if self.excess or not playlist:
                playlist = await self._ask("excess" if self.excess else "entry", self._entry)
            else:
                await self._ask("child", child(self._entry, playlist))
            self.begun.set()
            asked += 1
            # Twice at least: of who starts so slowly that the time is over, it is seen, too.
            if asked > 1 and time.monotonic() + self._options.every > end:
                return
            await asyncio.sleep(self._options.every)

    async def _ask(self, kind: str, address: str) -> str:
        """Ask, and take the answer down; gives a manifest, or nothing."""
        begun = time.perf_counter()
        manifest = ""
        try:
            async with self._client.get(address) as answer:
                body, said = await answer.text(), str(answer.status)
                manifest = body if answer.ok else ""
        except (aiohttp.ClientError, TimeoutError) as error:
            said = type(error).__name__
        self._report.note(kind, said, time.perf_counter() - begun)
        return manifest


def child(entry: str, playlist: str) -> str:
    """Give the address of the first rendition."""
    first = next(line for line in playlist.splitlines() if line and not line.startswith("#"))
    return urljoin(entry, first)


async def crowd(options: argparse.Namespace) -> Report:
    """Let them all watch: household after household over a third of the time, and then all."""
    report = Report()
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as client:
        now = time.monotonic()
        apart = options.seconds / 3 / max(1, options.accounts)
        async with asyncio.TaskGroup() as group:
            for number in range(options.accounts):
                household = [
                    Viewer(
                        client,
                        options,
                        report,
                        account=f"crowd-{options.share}-{number}",
                        device=device,
                    )
                    for device in range(options.limit + 1)
                ]
                for viewer in household:
                    others = [other for other in household if other is not viewer]
                    begin, end = now + number * apart, now + options.seconds
                    group.create_task(viewer.watch(begin, end, others))
    return report


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="http://playgate", help="where the proxies are")
    parser.add_argument("--path", default="/live/tidewater/master.m3u8", help="what is watched")
    parser.add_argument("--share", default="0", help="tells crowds apart that run at once")
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--limit", type=int, default=3, help="streams that an account may have")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--every", type=float, default=2, help="seconds between two refreshes")
    parser.add_argument("--entry", type=float, default=0.5, help="most seconds for 99 %% of starts")
    parser.add_argument("--child", type=float, default=0.25, help="the same for refreshes")
    return parser.parse_args()


def main() -> None:
    """Run the crowd and judge what it saw."""
    options = arguments()
    report = asyncio.run(crowd(options))
    print(json.dumps(report.document(), indent=2))
    if missed := list(report.missed(options)):
        sys.exit("\n".join(missed))


if __name__ == "__main__":
    main()
