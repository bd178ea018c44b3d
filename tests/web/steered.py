"""A film whose manifests are steered, and a player that asks the steering server."""

from datetime import datetime
from typing import Any

from tests.support.origin import HLS, TestOrigin
from tests.support.playlists import MASTER, VOD
from tests.support.stack import Answer, Stack

ENTRY = "/live/film/master.m3u8"
CHILD = "/live/film/low/index.m3u8"
INTERVAL, SELDOM = 7, 300


def serve(origin: TestOrigin, playlist: str = VOD, master: str = MASTER) -> None:
    origin.answers[ENTRY] = (HLS, master)
    for name in ("low", "high"):
        origin.answers[f"/live/film/{name}/index.m3u8"] = (HLS, playlist)


def link(answer: Answer) -> str:
    """The steering server that a playlist names."""
    (line,) = [line for line in answer.text.splitlines() if "CONTENT-STEERING" in line]
    return line.split('"')[1]


async def steer(stack: Stack, url: str, **more: Any) -> dict[str, Any]:
    """Ask as a player does; the answer is one that every player can use, always."""
    answer = await stack.ask(url, Origin="https://page.example", **more)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    document: dict[str, Any] = answer.json
    assert document["VERSION"] == 1
    assert isinstance(document["TTL"], int)
    assert document["TTL"] >= 1
    return document


async def stream_of(stack: Stack) -> dict[str, Any]:
    listed = await stack.ask(f"/_playgate/streams?token={stack.token()}")
    (stream,) = listed.json["streams"]
    return dict(stream)


def remaining(stream: dict[str, Any]) -> float:
    ends, seen = (datetime.fromisoformat(stream[name]) for name in ("expires_at", "last_seen_at"))
    return (ends - seen).total_seconds()


def steered_stack() -> Stack:
    """A stack whose players report often, and where one may watch."""
    streams = {"keepalive_interval": f"{INTERVAL}s", "vod_ttl": "60s", "ttl": "20s"}
    return Stack(limits={"default": 1}, streams=streams)
