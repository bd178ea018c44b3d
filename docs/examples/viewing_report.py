"""Who watched for how long: a report per account, from the events of the streams that ended.

    python viewing_report.py redis://localhost:6379/0 [--key playgate:events] [--follow]

Reads as a group of its own, so that it goes on where it was when it was stopped. Needs the package
``redis`` and nothing of Playgate.
"""

import argparse
import signal
from collections import defaultdict
from dataclasses import dataclass, field

from redis import Redis
from redis.exceptions import ResponseError

GROUP = "viewing-report"
READER = "one"


@dataclass
class Viewing:
    """What one account watched."""

    streams: int = 0
    seconds: float = 0.0
    contents: dict[str, float] = field(default_factory=lambda: defaultdict(float))


class Report:
    """Adds up events; ``seen`` ends those that come twice."""

    def __init__(self) -> None:
        self.accounts: dict[str, Viewing] = defaultdict(Viewing)
        self._seen: set[tuple[str, str]] = set()

    def add(self, event: dict[str, str]) -> None:
        """Take an event in."""
        if event["event"] != "stream.ended":
            return
        # An event may come twice. No stream ends twice at the same millisecond.
        key = (event["stream"], event["ts"])
        if key in self._seen:
            return
        self._seen.add(key)
        viewing = self.accounts[event["account"]]
        viewing.streams += 1
        viewing.seconds += float(event["seconds"])
        viewing.contents[event["content"]] += float(event["seconds"])

    def __str__(self) -> str:
        lines = []
        for account, viewing in sorted(self.accounts.items()):
            minutes = viewing.seconds / 60
            lines.append(f"{account}  {viewing.streams:4} streams  {minutes:8.1f} min")
            longest = sorted(viewing.contents.items(), key=lambda item: -item[1])
            lines += [f"    {seconds / 60:8.1f} min  {content}" for content, seconds in longest]
        return "\n".join(lines)


def read(redis: Redis, key: str, report: Report, *, follow: bool) -> None:
    """Read until there is no more, or for ever."""
    try:
        redis.xgroup_create(key, GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise
    block = 1000 if follow else None
    while (answer := redis.xreadgroup(GROUP, READER, {key: ">"}, count=500, block=block)) or follow:
        for _, entries in answer or []:
            for _, event in entries:
                report.add(event)
            redis.xack(key, GROUP, *(number for number, _ in entries))


def main() -> None:
    """Read, and print the report at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--key", default="playgate:events")
    parser.add_argument("--follow", action="store_true", help="wait for more, until Ctrl-C")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = Report()
    try:
        with Redis.from_url(options.url, decode_responses=True) as redis:
            read(redis, options.key, report, follow=options.follow)
    except KeyboardInterrupt:
        pass
    print(report)


if __name__ == "__main__":
    main()
