"""Looks at every proxy after a roll, before viewers do. The Job `check` runs it.

Each must be well in all its components, the store included (which readiness leaves out), and must
refuse, in the way that players know, whoever has no token. Needs the standard library alone.
"""

import argparse
import json
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing

# A pod that has just started waits for its network policy to be in force on its node, and DNS keeps
# that a name has no address for up to half a minute.
PATIENCE_SECONDS = 60
PAUSE_SECONDS = 1
TIMEOUT_SECONDS = 5


def main() -> None:
    """Check until all is well, or say what was not at last."""
    options = arguments()
    host = options.host or "-".join(filter(None, ("playgate-admin", options.slot)))
    give_up = time.monotonic() + options.patience
    while wrong := list(findings(host, options.admin_port, options.players_port, options.path)):
        if time.monotonic() > give_up:
            sys.exit("\n".join(wrong))
        time.sleep(PAUSE_SECONDS)
    print(f"every proxy of {host} is well")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slot", default="", help="blue or green, where there are slots")
    parser.add_argument("--host", default="", help="what the proxies' addresses are found by")
    parser.add_argument("--admin-port", type=int, default=9090)
    parser.add_argument("--players-port", type=int, default=8080)
    parser.add_argument("--path", default="/live/check/master.m3u8", help="a manifest of a route")
    parser.add_argument("--patience", type=float, default=PATIENCE_SECONDS, help="in seconds")
    return parser.parse_args()


def findings(host: str, admin: int, players: int, path: str) -> Iterator[str]:
    """Give what is wrong, proxy by proxy."""
    try:
        addresses = sorted({found[4][0] for found in socket.getaddrinfo(host, admin)})
    except OSError as error:
        yield f"{host}: {error}"
        return
    for address in addresses:
        at = f"[{address}]" if ":" in str(address) else address
        yield from attempt(f"http://{at}:{admin}/readyz", unwell)
        yield from attempt(f"http://{at}:{players}{path}", unguarded)


def attempt(url: str, judge: Callable[[int, str, bytes], str]) -> Iterator[str]:
    """Ask, and give what is wrong with the answer, if anything is."""
    try:
        answer = ask(url)
    except OSError as error:
        yield f"{url}: {error}"
        return
    if wrong := judge(*answer):
        yield f"{url}: {wrong}"


def ask(url: str) -> tuple[int, str, bytes]:
    """Give status, content type and body, of a refusal as well."""
    try:
        answer = urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        answer = error
    with closing(answer):
        return answer.status, answer.headers.get("Content-Type", ""), answer.read()


def unwell(status: int, _: str, body: bytes) -> str:
    """Say which components are not well."""
    try:
        components = json.loads(body)["components"]
    except (ValueError, KeyError, TypeError):
        return f"status {status} and no components"
    ill = sorted(name for name, well in components.items() if not well)
    return (
        f"status {status}, not well: {', '.join(ill) or 'nothing'}" if ill or status != 200 else ""
    )


def unguarded(status: int, content_type: str, body: bytes) -> str:
    """Say how a request without a token was answered, if not as it should be."""
    code = ""
    if content_type == "application/problem+json":
        code = json.loads(body).get("code", "")
    return "" if (status, code) == (401, "token_missing") else f"status {status} {code}".rstrip()


if __name__ == "__main__":
    main()
