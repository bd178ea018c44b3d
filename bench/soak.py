"""A soak: an hour's requests of a busy proxy in minutes; memory and descriptors must stay flat.

    .venv/bin/python bench/soak.py    # 360,000 requests: an hour at 100 a second
    .venv/bin/python bench/soak.py --warm-up 0 --requests 30000    # in a minute, to try it

``playgate serve --workers 2`` with a real Redis and an origin of its own. Viewers come and go all
the time: 4,000 accounts, each start on another device, most of them let in and some refused;
playlists, segments, keep-alive; half say goodbye, half just go, some in the middle of a request.
Before that, the proxy is made warm: by as many viewers who only start and refresh once as its
bounded memories have places (``proxy.beats``), for who looks at them while they fill sees them
grow. From there on a line is fitted to the memory of all its processes, by requests.

Prints what it finds, draws it (``--out``), and fails if memory grows by more than 24 bytes for each
request, or descriptors by more than viewers have open.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from urllib.parse import urljoin

import jwt
import uvloop
import yaml
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.redis_server import RedisServer, free_port

JWT_SECRET = "soak-of-tokens-0123456789abcdefghijkl"
TICKET_SECRET = "soak-of-tickets-0123456789abcdefghijkl"
ACCOUNTS, CHANNELS = 4000, 40
# Requests that each worker keeps: full after the warm-up, with some 33,000 viewers a worker.
KEPT = 16_384
# Viewers at a time in each of the processes that make them.
VIEWERS, CROWDS = 24, 2
MASTER = "#EXTM3U\n" + "".join(
    f'#EXT-X-STREAM-INF:BANDWIDTH={rate}00000,CODECS="avc1.4d401f"\n{rate}/index.m3u8\n'
    for rate in (8, 20, 45)
)
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n" + "".join(
    f"#EXTINF:4.0,\nseg{number}.ts\n" for number in range(7, 22)
)
SEGMENT = b"\x47" * 64 * 1024
# How much may come by each request on average, once the proxy is warm: less than any one object.
MAX_BYTES_PER_REQUEST = 24


def origin(port: int) -> None:
    """Serve channels."""

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path.endswith(".ts"):
            return web.Response(body=SEGMENT, content_type="video/mp2t")
        text = MASTER if request.path.endswith("master.m3u8") else PLAYLIST
        return web.Response(text=text, content_type="application/vnd.apple.mpegurl")

    async def serve() -> None:
        runner = web.ServerRunner(web.Server(answer, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    uvloop.run(serve())


class Gone(Exception):
    """The viewer has left in the middle."""


class Viewer:
    """One player after another, each on a connection of its own."""

    def __init__(
        self, port: int, done: "Synchronized[int]", warm_up: int, counted: Counter[str]
    ) -> None:
        self.port = port
        self.done = done
        self.warm_up = warm_up
        self.counted = counted

    async def play(self, enough: int) -> None:
        while self.done.value < enough:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            with suppress(Gone):
                await self.session()
            self.writer.close()

    async def session(self) -> None:
        claims = {"sub": f"account-{random.randrange(ACCOUNTS)}", "exp": int(time.time()) + 3600}
        self.device = f"Device/{random.getrandbits(48):x}"
        entry = f"/live/{random.randrange(CHANNELS)}/master.m3u8"
        body = await self.ask(f"{entry}?token={jwt.encode(claims, JWT_SECRET)}")
        if body is None:
            return
        low = urljoin(entry, _uris(body)[0])
        if self.done.value < self.warm_up:
            for _ in range(2):
                await self.ask(low)
            return
        for _ in range(random.randint(1, 4)):
            playlist = await self.ask(low)
            if playlist is None:
                return
            await self.ask(urljoin(low, random.choice(_uris(playlist))), leaves=0.03)
        ticket = re.search(r"_sid=([\w.-]+)", body)
        assert ticket
        await self.ask(f"/_playgate/heartbeat?_sid={ticket[1]}", "POST")
        if random.random() < 0.5:
            await self.ask(f"/_playgate/release?_sid={ticket[1]}", "POST")

    async def ask(self, path: str, method: str = "GET", leaves: float = 0.0) -> str | None:
        self.writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: tv.test\r\nUser-Agent: {self.device}\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
        with self.done.get_lock():
            self.done.value += 1
        if random.random() < leaves:
            self.counted["left"] += 1
            raise Gone
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        status = head[9:12]
        self.counted[status] += 1
        length = re.search(r"content-length: (\d+)", head)
        if length:
            body = await self.reader.readexactly(int(length[1]))
        elif "chunked" in head:
            body = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        else:
            body = b""
        return body.decode("latin-1") if status == "200" else None


def _uris(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def crowd(
    port: int,
    done: "Synchronized[int]",
    warm_up: int,
    enough: int,
    results: "multiprocessing.Queue[Counter[str]]",
) -> None:
    """Play, and give what was answered."""
    counted: Counter[str] = Counter()

    async def play() -> None:
        viewers = [Viewer(port, done, warm_up, counted) for _ in range(VIEWERS)]
        await asyncio.gather(*(viewer.play(enough) for viewer in viewers))

    uvloop.run(play())
    results.put(counted)


@dataclass
class Look:
    """How the proxy's processes are at one moment; workers first, the master last."""

    requests: int
    seconds: float
    bytes: list[int]
    fds: list[int]


def look(pids: list[int], requests: int, begun: float) -> Look:
    page = os.sysconf("SC_PAGE_SIZE")
    return Look(
        requests,
        time.monotonic() - begun,
        [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in pids],
        [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids],
    )


def configuration(folder: Path, ports: tuple[int, int, int], store: str) -> Path:
    player, admin, behind = ports
    file = folder / "playgate.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "listen": {"host": "127.0.0.1", "port": player, "fast_path_size": KEPT},
                "admin": {"port": admin},
                "store": {"url": store, "timeout": "2s"},
                "auth": {"keys": [{"algorithm": "HS256", "secret": JWT_SECRET}]},
                "tickets": {"secret": TICKET_SECRET},
                "limits": {"default": 3},
                "streams": {"ttl": "20s"},
                "routes": [
                    {"name": "live", "path": "/live/**", "origins": [f"http://127.0.0.1:{behind}"]}
                ],
            }
        )
    )
    return file


def soak(warm_up: int, requests: int, workers: int) -> tuple[list[Look], Counter[str]]:
    """Run it all, and give what was seen each second and what was answered."""
    player, admin, behind = ports = free_port(), free_port(), free_port()
    del admin
    context = multiprocessing.get_context("spawn")
    done = context.Value("q", 0)
    results: multiprocessing.Queue[Counter[str]] = context.Queue()
    with tempfile.TemporaryDirectory() as folder, RedisServer() as redis:
        source = context.Process(target=origin, args=(behind,), daemon=True)
        source.start()
        file = configuration(Path(folder), ports, redis.url)
        proxy = subprocess.Popen(
            [
                *(sys.executable, "-m", "proxy", "serve", "--config", str(file)),
                *("--workers", str(workers)),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            pids = [*_workers(proxy), proxy.pid]
            # A log that nobody reads would fill its pipe, and hold up who writes it.
            threading.Thread(target=deque, args=(proxy.stderr, 0), daemon=True).start()
            crowds = [
                context.Process(
                    target=crowd,
                    args=(player, done, warm_up, warm_up + requests, results),
                    daemon=True,
                )
                for _ in range(CROWDS)
            ]
            begun = time.monotonic()
            looks = [look(pids, 0, begun)]
            for one in crowds:
                one.start()
            counted: Counter[str] = Counter()
            left = len(crowds)
            while left:
                with suppress(Exception):  # nothing yet
                    counted += results.get(timeout=1)
                    left -= 1
                looks.append(look(pids, done.value, begun))
            return looks, counted
        finally:
            proxy.send_signal(signal.SIGTERM)
            proxy.wait(60)
            source.kill()


def _workers(proxy: "subprocess.Popen[str]") -> list[int]:
    assert proxy.stderr is not None
    pids = []
    for line in proxy.stderr:
        entry = json.loads(line)
        if entry["event"] == "listening":
            pids.append(entry["pid"])
        if entry["event"] == "all workers serve":
            return sorted(pids)
    raise SystemExit("the proxy did not start")


def tell(looks: list[Look], warm_up: int, counted: Counter[str]) -> bool:
    """Print it; whether memory and descriptors are flat."""
    last = looks[-1]
    print(f"{last.requests} requests in {last.seconds:.0f} s: {dict(counted.most_common())}")
    print(f"{'requests':>9} {'s':>5}  MB (workers, master)       descriptors")
    for step in range(11):
        at = min(looks, key=lambda one: abs(one.requests - last.requests * step / 10))
        memory = " ".join(f"{each / 1e6:6.1f}" for each in at.bytes)
        print(f"{at.requests:>9} {at.seconds:>5.0f}  {memory}   {' '.join(map(str, at.fds))}")
    warm = [one for one in looks if one.requests >= warm_up]
    slope, _ = statistics.linear_regression(
        [one.requests for one in warm], [sum(one.bytes) for one in warm]
    )
    fds = [sum(one.fds) for one in warm]
    half = len(fds) // 2
    drift = statistics.mean(fds[half:]) - statistics.mean(fds[:half])
    grown = (sum(last.bytes) - sum(warm[0].bytes)) / 1e6
    print(f"warm: {slope:+.2f} bytes/request, {grown:+.1f} MB in all, all processes together;")
    print(f"  descriptors {min(fds)} to {max(fds)}, second half {drift:+.1f} against the first")
    return slope <= MAX_BYTES_PER_REQUEST and abs(drift) <= VIEWERS * CROWDS


def draw(looks: list[Look], warm_up: int, out: Path) -> None:
    """Draw memory and descriptors of each process, as PNG and SVG."""
    import matplotlib as mpl  # noqa: PLC0415  # takes a second, and is needed here alone
    import matplotlib.pyplot as plt  # noqa: PLC0415  # the same

    mpl.use("agg")

    figure, (memory, fds) = plt.subplots(2, 1, sharex=True, figsize=(9, 6), layout="tight")
    thousands = [one.requests / 1000 for one in looks]
    number = len(looks[0].bytes)
    names = [f"worker {index + 1}" for index in range(number - 1)] + ["master"]
    for index, name in enumerate(names):
        memory.plot(thousands, [one.bytes[index] / 1e6 for one in looks], label=name)
        fds.plot(thousands, [one.fds[index] for one in looks], label=name)
    for axes, title in ((memory, "resident memory, MB"), (fds, "open file descriptors")):
        axes.axvspan(0, warm_up / 1000, alpha=0.08, color="gray", label="warm-up")
        axes.set_ylabel(title)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    memory.legend(loc="lower right", ncols=number + 1)
    fds.set_xlabel("requests answered, thousands")
    last = looks[-1]
    memory.set_title(f"{last.requests:,} requests in {last.seconds:.0f} s, {number - 1} workers")
    for suffix in (".svg", ".png"):
        figure.savefig(
            out.with_suffix(suffix), dpi=110, metadata={"Date": None} if suffix == ".svg" else None
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warm-up", type=int, default=200_000, help="requests (200000)")
    parser.add_argument("--requests", type=int, default=360_000, help="after that (360000)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a file to draw to, .svg and .png, and .json")
    options = parser.parse_args()
    looks, counted = soak(options.warm_up, options.requests, options.workers)
    flat = tell(looks, options.warm_up, counted)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        figures = {"answers": counted, "looks": [asdict(one) for one in looks]}
        options.out.with_suffix(".json").write_text(json.dumps(figures) + "\n")
        draw(looks, options.warm_up, options.out)
    sys.exit(0 if flat else 1)


if __name__ == "__main__":
    main()
