"""What the parts of a request cost, each by itself: the figures to look at before optimising.

    make parts

Times are of this machine at this moment; compare rows of one run, not runs.
"""

import asyncio
import time

import jwt
import pyperf

from proxy.admission.memory import MemoryStore
from proxy.admission.policy import OnLimit, Policy, Takeover
from proxy.credentials.account import AccountNames
from proxy.credentials.encrypted import Decrypter
from proxy.credentials.keys import Key, KeyRing
from proxy.credentials.networks import Networks
from proxy.credentials.signed_uri import SignedUris
from proxy.credentials.ticket import Tickets
from proxy.credentials.token import TokenRules, TokenVerifier
from proxy.manifests.hls import compile_hls
from proxy.manifests.links import Links, Place
from proxy.model import Kind, Subject, Token
from proxy.playback.device import Hints
from proxy.playback.identity import resume, start
from proxy.streams import Attempt, Cadence
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.notes import CURRENT, Notes
from proxy.trace import Trace

SECRET = b"b" * 64
PLAYLIST = (
    "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:1\n"
    + "".join(f"#EXTINF:6.0,\nsegment-{number}.ts\n" for number in range(10))
).encode()
HINTS = Hints(agent="Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0", network="203.0.113.0/24")
SUBJECT = Subject("a" * 32)
CONTENT = "tv.example/live/one/master.m3u8"


def links(tickets: Tickets) -> Links:
    place = Place("signed", None, lambda path, query: f"tv.example{path}?{query}")
    return Links(
        base="/live/one/index.m3u8",
        public_scheme="https",
        public_host="tv.example",
        origin_hosts=frozenset({"origin:8000"}),
        param="_sid",
        private=frozenset({"token", "_sid"}),
        place=lambda _: place,
        to_public=lambda path: path,
        seal=tickets.sealer(CONTENT),
    )


def main() -> None:
    runner = pyperf.Runner(processes=3)
    tickets = Tickets(SECRET, 43200, time.time)
    verifier = TokenVerifier(
        KeyRing((Key.symmetric("HS256", SECRET),)),
        TokenRules(),
        AccountNames(SECRET),
        SignedUris(Networks(SECRET), Decrypter(), frozenset(), time.time),
    )
    token = jwt.encode({"sub": "alice", "exp": 4_000_000_000}, SECRET)
    playback = start(Token(SUBJECT, 0.0), HINTS, content=CONTENT, route="live")
    text = f"seal.{tickets.mint(SUBJECT, playback, 1)}"
    ticket = tickets.read(text)
    around = links(tickets)
    template = compile_hls(PLAYLIST, around)
    policy = Policy(Takeover.QUIET, OnLimit.REJECT, 120_000, 3, 43_200_000)
    store = MemoryStore(policy, time.time)
    attempt = Attempt("a" * 32, playback, 3, "default", Cadence(30_000, 0, 6_000), beat=True)

    async def decide(loops: int) -> float:
        begun = time.perf_counter()
        for _ in range(loops):
            await store.decide(attempt)
        return time.perf_counter() - begun

    metrics = Metrics("0", ())
    notes = Notes(Trace("0" * 32), route="live", kind=Kind.CHILD)
    CURRENT.set(notes.trace)

    def count() -> None:
        now = time.perf_counter()
        metrics.request(notes, now - 0.004, now)

    def measure() -> None:
        with metrics.phase("auth"):
            pass

    runner.bench_func("verify a token", verifier.verify, token)
    runner.bench_func("mint a ticket", tickets.mint, ticket.subject, ticket.playback, 1)
    runner.bench_func("read a ticket", tickets.read, text)
    runner.bench_func("identify the playback", resume, ticket, HINTS)
    runner.bench_time_func("decide in memory", lambda loops: asyncio.run(decide(loops)))
    runner.bench_func("compile a live playlist", compile_hls, PLAYLIST, around)
    runner.bench_func("render it", template.render, ticket.text.encode())
    runner.bench_func("count a request", count)
    runner.bench_func("measure a phase", measure)


if __name__ == "__main__":
    main()
