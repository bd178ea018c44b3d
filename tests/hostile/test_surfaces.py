"""What only operators may do, asked for where viewers are; and how secrets are compared."""

import hmac
import json
import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import pytest

from proxy.web.description import document
from tests.conftest import Tell
from tests.support.jws import spoilt
from tests.support.playlists import serve_channels
from tests.support.stack import ADMIN_TOKEN, Stack
from tests.web.wire import Wire, status

pytestmark = pytest.mark.hostile

METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}
ENTRY = "/live/one/master.m3u8"
# Each port describes itself; this is what the players' says.
VIEWERS_OWN = "/_playgate/openapi.json"
AUTHORISED = f"Authorization: Bearer {ADMIN_TOKEN}"


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as stack:
        serve_channels(stack.origin, "one")
        yield stack


def operations() -> list[tuple[str, str]]:
    """Give all that the operators' port is asked for: methods, and paths of a real account."""
    return [
        (method.upper(), re.sub(r"\{.*?\}", "alice", path))
        for path, item in json.loads(document("admin"))["paths"].items()
        for method in METHODS & item.keys()
    ]


def disguised(path: str, port: int) -> list[str]:
    """Write a path as one server may read it, and another not."""
    return [
        path,
        f"/{path}",
        f"/.{path}",
        f"/live/..{path}",
        f"/live/%2e%2e{path}",
        path.replace("/a", "/%61", 1),
        path.replace("/", "/;/", 1),
        path.replace("/", "\\", 1),
        f"http://127.0.0.1:{port}{path}",
        f"{path}?_method=GET",
        f"/_playgate{path}",
    ]


async def test_nothing_of_the_operators_is_on_the_players_port(stack: Stack, tell: Tell) -> None:
    token = stack.token()
    assert (await stack.ask(f"{ENTRY}?token={token}")).status == 200
    targets = [
        (method, target)
        for method, path in operations()
        for target in disguised(path, stack.service.admin_port)
        if target != VIEWERS_OWN
    ]
    assert ("DELETE", "/admin/v1/accounts/alice/streams") in targets
    # Whom it is asked of, so that a virtual host or a forwarded one opens nothing either.
    hosts = ("tv", f"127.0.0.1:{stack.service.admin_port}")
    before = len(stack.origin.requests)
    for method, target in targets:
        for host in hosts:
            async with Wire(stack) as wire:
                wire.send(
                    wire.request(target, AUTHORISED, "Connection: close", method=method, host=host)
                )
                head, _, body = (await wire.rest()).partition(b"\r\n\r\n")
            assert status((head, body)) in (400, 404, 405), (method, target, head)
            assert b"alice" not in body
    assert len(stack.origin.requests) == before
    listed = await stack.operate("/admin/v1/accounts/alice/streams")
    assert len(listed.json["streams"]) == 1
    tell(
        f"the operators' {len(targets)} requests, on the players' port from two hosts: none let in"
    )


async def test_whatever_is_compared_with_a_secret_takes_the_same_time_for_any(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def note(one: bytes | str, other: bytes | str) -> bool:
        as_bytes = [
            text.encode() if isinstance(text, str) else bytes(text) for text in (one, other)
        ]
        compared.append((as_bytes[0], as_bytes[1]))
        return compare(as_bytes[0], as_bytes[1])

    monkeypatch.setattr(hmac, "compare_digest", note)
    entry = await stack.ask(f"{ENTRY}?token={stack.token()}")
    low = urljoin(ENTRY, entry.uris()[0])
    seal, _, ticket = low.partition("_sid=")[2].partition(".")
    token = stack.token()
    wrong = {
        "a token's signature": f"{ENTRY}?token={spoilt(token)}",
        "a ticket's signature": low.replace(ticket, spoilt(ticket)),
        "a seal": low.replace(f"={seal}.", f"={spoilt(seal)}."),
    }
    for what, path in wrong.items():
        compared.clear()
        assert (await stack.ask(path)).status in (401, 403), what
        assert compared, what
        assert not any(compare(one, other) for one, other in compared[-1:]), what
    compared.clear()
    assert (await stack.operate("/admin/v1/stats", token=f"{ADMIN_TOKEN[:-1]}?")).status == 401
    assert (f"{ADMIN_TOKEN[:-1]}?".encode(), ADMIN_TOKEN.encode()) in compared
