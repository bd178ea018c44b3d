"""Limits streams with FastAPI, httpx, PyJWT and redis-py, as one writes it in a day.

A token lets a stream in where its account has room, masters go out with a signed ticket on each
child, a ticket keeps the slot. Nothing is kept between requests but connections.
"""

import os
import re
import time
from pathlib import Path

import httpx
import jwt
from fastapi import FastAPI, HTTPException, Response
from redis.asyncio import Redis

LIMIT = int(os.environ["LIMIT"])
TTL_MS = int(os.environ["TTL"]) * 1000
TICKET_SECONDS = 12 * 3600
M3U8 = "application/vnd.apple.mpegurl"

KEYS = {"HS256": os.environ["TOKEN_SECRET"], "ES256": os.environ["TOKEN_PEM"]}

app = FastAPI()
origin = httpx.AsyncClient(base_url=f"http://{os.environ['ORIGIN']}")
redis = Redis(port=int(os.environ["REDIS_PORT"]))
admit_script = redis.register_script(Path(os.environ["SCRIPT"]).read_text())


async def admit(account: str, stream: str) -> None:
    if not await admit_script(keys=[f"streams:{account}"], args=[stream, LIMIT, TTL_MS]):
        raise HTTPException(429, "stream_limit", {"Retry-After": "6"})


async def manifest(path: str) -> str:
    answer = await origin.get(path)
    if answer.status_code != 200:
        raise HTTPException(502, "origin_invalid")
    return answer.text


def playlist(text: str) -> Response:
    return Response(text, media_type=M3U8, headers={"Cache-Control": "no-store"})


@app.get("/live/{channel}/master.m3u8")
async def entry(channel: str, token: str = "") -> Response:
    try:
        algorithm = jwt.get_unverified_header(token)["alg"]
        claims = jwt.decode(token, KEYS.get(algorithm, ""), list(KEYS))
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "token_invalid") from error
    stream = f"{claims['device_id']}:{channel}"
    await admit(claims["sub"], stream)
    text = await manifest(f"/live/{channel}/master.m3u8")
    carried = {"sub": claims["sub"], "stream": stream, "channel": channel}
    carried["exp"] = int(time.time()) + TICKET_SECONDS
    ticket = jwt.encode(carried, os.environ["TICKET_SECRET"], "HS256")
    return playlist(re.sub(r"(?m)^[^#\n].*$", lambda line: f"{line[0]}?_sid={ticket}", text))


@app.get("/live/{channel}/{height}/index.m3u8")
async def child(channel: str, height: int, _sid: str = "") -> Response:
    try:
        ticket = jwt.decode(_sid, os.environ["TICKET_SECRET"], ["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "ticket_invalid") from error
    if ticket["channel"] != channel:
        raise HTTPException(401, "ticket_invalid")
    await admit(ticket["sub"], ticket["stream"])
    return playlist(await manifest(f"/live/{channel}/{height}/index.m3u8"))


@app.get("/ready")
async def ready() -> Response:
    await redis.ping()
    return Response(status_code=204)
