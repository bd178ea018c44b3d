"""Every code that a player can be told, produced by a real request, and everything said with it."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web

from proxy.errors import ConfigInvalid, InternalError, PlaygateError
from tests.support.issuer import SigningKey
from tests.support.loop_clock import LoopClock
from tests.support.playlists import serve_channels
from tests.support.stack import JWT_SECRET, Answer, Stack

ENTRY, OTHER, SEGMENT = "/live/one/master.m3u8", "/live/two/master.m3u8", "/live/one/low/seg7.ts"
STREAMS = "/admin/v1/accounts/alice/streams"
# What every problem document has (RFC 9457 §3.1), and its code.
MEMBERS = {"type", "title", "status", "detail", "code"}
HTTP_DOC = Path(__file__).parents[2] / "docs" / "http.md"


@dataclass
class Scene:
    """A proxy in which something is about to be refused."""

    stack: Stack
    clock: LoopClock
    curtain: asyncio.Event = field(default_factory=asyncio.Event)
    background: list["asyncio.Task[Any]"] = field(default_factory=list)

    async def play(self, path: str = ENTRY, **claims: Any) -> str:
        """Start to watch with a good token, and give the path of the first child."""
        answer = await self.stack.ask(f"{path}?{token(**claims)}")
        assert answer.status == 200
        return path.removesuffix("master.m3u8") + answer.uris()[0]

    async def hang(self, _: web.Request) -> web.StreamResponse:
        await self.curtain.wait()
        return web.Response(status=404)


Provoke = Callable[[Scene], Awaitable[str]]


@dataclass(frozen=True)
class Case:
    """A refusal: ``provoke`` gives the path that is refused, and what else the request has."""

    code: str
    status: int
    provoke: Provoke
    settings: dict[str, Any] = field(default_factory=dict)
    method: str = "GET"
    # Fields by the beginning of their values, and members, beside those that every problem has.
    headers: dict[str, str] = field(default_factory=dict)
    members: dict[str, Any] = field(default_factory=dict)
    asks_origin: bool = False

    @property
    def is_refusal(self) -> bool:
        """Whether it is counted as a refusal, not as a failure or a mistake."""
        return self.status in (401, 403, 409, 429)


def token(secret: str = JWT_SECRET, **claims: Any) -> str:
    now = int(time.time())
    every = {"sub": "alice", "iat": now, "exp": now + 600, **claims}
    return f"token={jwt.encode(every, secret)}"


# --- Who asks ---


async def nobody(_: Scene) -> str:
    return ENTRY


async def by_another_key(_: Scene) -> str:
    return f"{ENTRY}?{token('another secret, as long as the first one')}"


async def too_late(_: Scene) -> str:
    return f"{ENTRY}?{token(exp=int(time.time()) - 600)}"


async def revoked_token(scene: Scene) -> str:
    await revoke(scene, jti="one")
    return f"{ENTRY}?{token(jti='one')}"


async def ticket_of_a_revoked_token(scene: Scene) -> str:
    child = await scene.play(jti="one")
    await revoke(scene, issued_before="now")
    return child


async def revoke(scene: Scene, **what: object) -> None:
    path, body = "/admin/v1/accounts/alice/revoke", json.dumps(what).encode()
    assert (await scene.stack.operate(path, "POST", body=body)).status == 204


async def ticket_of_another_title(scene: Scene) -> str:
    return (await scene.play()).replace("/one/", "/two/")


async def segment_without_a_ticket(_: Scene) -> str:
    return SEGMENT


# --- What may be watched ---


async def signed_for_another_title(_: Scene) -> str:
    return f"{ENTRY}?URISigningPackage={token(cdniuc='regex:.*/two/.*').partition('=')[2]}"


async def signed_for_another_network(_: Scene) -> str:
    text = token(cdniuc="regex:.*", cdniip="203.0.113.0/24").partition("=")[2]
    return f"{ENTRY}?URISigningPackage={text}"


# --- How many ---


def second_stream(**claims: Any) -> Provoke:
    async def provoke(scene: Scene) -> str:
        await scene.play(OTHER, **claims)
        return f"{ENTRY}?{token(**claims)}"

    return provoke


async def ended_by_the_operator(scene: Scene) -> str:
    child = await scene.play()
    assert (await scene.stack.operate(STREAMS, "DELETE")).status == 204
    return child


async def held_by_the_operator(scene: Scene) -> str:
    await scene.play()
    assert (await scene.stack.operate(f"{STREAMS}?hold=10m", "DELETE")).status == 204
    return f"{ENTRY}?{token()}"


async def replaced_on_its_device(scene: Scene) -> str:
    child = await scene.play(device_id="Kitchen")
    await scene.play(OTHER, device_id="Kitchen")
    return child


async def made_room_for_another(scene: Scene) -> str:
    child = await scene.play(device_id="Kitchen")
    await scene.play(OTHER, device_id="Bedroom")
    return child


# --- What cannot be answered ---


async def good(_: Scene) -> str:
    return f"{ENTRY}?{token()}"


async def of_another_issuer(_: Scene) -> str:
    return f"{ENTRY}?token={SigningKey('theirs').token()}"


async def two_slashes(_: Scene) -> str:
    return "/live//one/master.m3u8"


async def no_route(_: Scene) -> str:
    return "/nowhere"


async def too_many_at_once(scene: Scene) -> str:
    entered = asyncio.Event()

    async def hold(request: web.Request) -> web.StreamResponse:
        entered.set()
        return await scene.hang(request)

    scene.stack.origin.answers[OTHER] = hold
    scene.background.append(asyncio.create_task(scene.stack.ask(f"{OTHER}?{token(sub='bob')}")))
    await entered.wait()
    return f"{ENTRY}?{token()}"


async def origin_has_no_manifest(scene: Scene) -> str:
    scene.stack.origin.answers[ENTRY] = ("text/html", "<p>Welcome")
    return f"{ENTRY}?{token()}"


async def origin_hangs(scene: Scene) -> str:
    async def hang(request: web.Request) -> web.StreamResponse:
        scene.clock.passes(scene.stack.settings.origin.timeout)
        return await scene.hang(request)

    scene.stack.origin.answers[ENTRY] = hang
    return f"{ENTRY}?{token()}"


def route(**more: Any) -> dict[str, Any]:
    """Settings with one route, whose origin is not there."""
    return {"routes": [{"name": "live", "path": "/live/**", "origins": [AWAY], **more}]}


def limited(status: int, rule: str, limits: dict[str, Any], **claims: Any) -> Case:
    return Case(
        "stream_limit",
        status,
        second_stream(**claims),
        {"limits": {"default": 9, "status": status, **limits}, "identity": {"takeover": "none"}},
        headers=RETRY,
        members={"rule": rule, "limit": 1, "active": 1, "streams": 1},
    )


def ended(provoke: Provoke, reason: str, by: str, **more: Any) -> Case:
    return Case("stream_ended", 409, provoke, members={"reason": reason, "by": by}, **more)


INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token", error_description="The '}
RETRY = {"Retry-After": ""}
SIGNED = {"auth": {"uri_signing": {"enabled": True}}}
# A port that nobody but the system may listen on.
AWAY, STORE_AWAY = "http://127.0.0.1:1", "redis://127.0.0.1:1"

CASES = {
    "no token": Case("token_missing", 401, nobody, headers={"WWW-Authenticate": "Bearer"}),
    "another key": Case("token_invalid", 401, by_another_key, headers=INVALID),
    "expired": Case("token_expired", 401, too_late, headers=INVALID),
    "revoked": Case("token_revoked", 401, revoked_token, headers=INVALID),
    "revoked since": Case("token_revoked", 401, ticket_of_a_revoked_token, headers=INVALID),
    "strange ticket": Case("ticket_invalid", 401, ticket_of_another_title, headers=INVALID),
    "bare segment": Case("ticket_invalid", 401, segment_without_a_ticket, headers=INVALID),
    "signed URI": Case("token_forbidden", 403, signed_for_another_title, SIGNED),
    "signed network": Case("token_forbidden", 403, signed_for_another_network, SIGNED),
    "denied": Case("token_forbidden", 403, segment_without_a_ticket, route(segments="deny")),
    "default": limited(429, "default", {"default": 1}),
    "plan": limited(409, "plan", {"plans": {"basic": 1}}, plan="basic"),
    "limit claim": limited(403, "token", {}, max_streams=1),
    "killed": ended(ended_by_the_operator, "killed", "operator"),
    "held": ended(held_by_the_operator, "killed", "operator", headers=RETRY),
    "superseded": ended(
        replaced_on_its_device, "superseded", "Kitchen", settings={"limits": {"default": 1}}
    ),
    "evicted": ended(
        made_room_for_another,
        "evicted",
        "Bedroom",
        settings={"limits": {"default": 1, "on_limit": "evict_oldest"}},
    ),
    "two slashes": Case("bad_request", 400, two_slashes),
    "no route": Case("not_found", 404, no_route),
    "method": Case(
        "method_not_allowed", 405, good, method="POST", headers={"Allow": "GET, HEAD, OPTIONS"}
    ),
    "crowd": Case(
        "overloaded", 503, too_many_at_once, {"listen": {"max_in_flight": 1}}, headers=RETRY
    ),
    "store away": Case(
        "store_unavailable",
        503,
        good,
        {"store": {"url": STORE_AWAY, "on_outage": "closed"}},
        headers=RETRY,
    ),
    "issuer away": Case(
        "issuer_unavailable",
        503,
        of_another_issuer,
        {"auth": {"keys": [{"algorithms": ["ES256"], "jwks_url": f"{AWAY}/keys"}]}},
        headers=RETRY,
    ),
    "origin away": Case("origin_unreachable", 502, good, route()),
    "no manifest": Case("origin_invalid", 502, origin_has_no_manifest, asks_origin=True),
    "origin hangs": Case("origin_timeout", 504, origin_hangs, asks_origin=True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_refusal_says_what_it_is_to_players_pages_and_operators(
    case: Case, loop_clock: LoopClock
) -> None:
    async with Stack(**case.settings) as stack:
        serve_channels(stack.origin, "one", "two")
        scene = Scene(stack, loop_clock)
        try:
            path = await case.provoke(scene)
            asked = len(stack.origin.requests)
            answer = await stack.ask(path, method=case.method, Origin="https://tv.example")
            assert (answer.status, answer.code) == (case.status, case.code)
            assert_is_documented(case, answer)
            assert (len(stack.origin.requests) > asked) == case.asks_origin
            stats = (await stack.operate("/admin/v1/stats")).json
            assert stats["totals"]["refusals"] == ({case.code: 1} if case.is_refusal else {})
            if case.method == "GET" and not case.asks_origin:
                head = await stack.ask(path, method="HEAD")
                assert (head.status, head.body) == (case.status, b"")
                assert head.headers["Content-Type"] == "application/problem+json"
                assert head.headers.keys() >= case.headers.keys()
        finally:
            scene.curtain.set()
            await asyncio.gather(*scene.background)


def assert_is_documented(case: Case, answer: Answer) -> None:
    document, headers = answer.json, answer.headers
    assert document.keys() == MEMBERS | case.members.keys()
    assert document["type"] == f"urn:playgate:problem:{case.code}"
    assert document["title"]
    assert document["detail"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Access-Control-Allow-Origin"] == "*"
    exposed = headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Retry-After", "WWW-Authenticate"} <= set(exposed)
    for name, beginning in case.headers.items():
        assert headers[name].startswith(beginning)
    assert ("Retry-After" in headers) == ("Retry-After" in case.headers)
    assert int(headers.get("Retry-After", 1)) >= 1
    for name, expected in case.members.items():
        if name == "streams":
            (stream,) = document[name]
            assert stream["content"].endswith(OTHER)
            assert stream.keys() == {"id", "content", "device", "started_at", "last_seen_at"}
        else:
            assert document[name] == expected


def every_code(base: type[PlaygateError] = PlaygateError) -> Iterator[str]:
    for error in base.__subclasses__():
        if hasattr(error, "code"):
            yield error.code
        yield from every_code(error)


def test_every_code_there_is_and_every_one_that_is_documented_is_produced_here() -> None:
    produced = {case.code for case in CASES.values()}
    # A bug, and what only operators are told.
    assert produced == set(every_code()) - {InternalError.code, ConfigInvalid.code}
    table = HTTP_DOC.read_text(encoding="utf-8").partition("| code | status |")[2]
    rows = table.partition("\n\n")[0].splitlines()[2:]
    documented = [code for row in rows for code in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(documented) == sorted(produced)
