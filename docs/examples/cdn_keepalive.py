"""Keeps streams alive by a CDN's access log: each line that names a ticket is a sign of life.

    tail -F access.log | python cdn_keepalive.py redis://localhost:6379/0

For a CDN in front of Playgate that serves segments from its cache, so that Playgate does not see
them asked for. Needs the package ``redis`` and nothing of Playgate.
"""

import argparse
import base64
import json
import re
import sys
import time
from collections.abc import Iterator

from redis import Redis

# _sid=<seal>.<ticket>, where the ticket is a JSON Web Token: header.payload.signature
TICKET = re.compile(r"[?&]_sid=[\w-]+\.[\w-]+\.(?P<payload>[\w-]+)\.[\w-]+")
# A stream is named again after this many seconds: a third of streams.ttl is often enough.
SELDOM = 10.0


def named(line: str) -> tuple[str, str] | None:
    """Give the account's hash and the stream's id that a line's ticket names.

    The signature is not checked. A ticket that was made up could only keep a stream alive whose
    account and id it knows, for as long as that is not ended.
    """
    match = TICKET.search(line)
    if match is None:
        return None
    payload = match["payload"]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims["a"], claims["s"]
    except (ValueError, KeyError, TypeError):
        return None


def alive(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Give who is alive, each stream once in a while."""
    told: dict[tuple[str, str], float] = {}
    for line in lines:
        stream = named(line)
        now = time.monotonic()
        if stream is None or now - told.get(stream, -SELDOM) < SELDOM:
            continue
        if len(told) > 100_000:
            told = {known: at for known, at in told.items() if now - at < SELDOM}
        told[stream] = now
        yield stream


def main() -> None:
    """Tell Playgate of each stream that the log names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--key", default="playgate:keepalive")
    options = parser.parse_args()
    with Redis.from_url(options.url) as redis:
        for account, stream in alive(iter(sys.stdin.readline, "")):
            entry = {"account": account, "stream": stream}
            redis.xadd(options.key, entry, maxlen=100_000, approximate=True)


if __name__ == "__main__":
    main()
