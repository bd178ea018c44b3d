"""What servers under test are set between: Redis and an origin, both on the core of the load."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from redis import Redis

from bench.against import world
from bench.against.peers.terms import Peer, Terms, wait_until_ready
from bench.against.processes import Process
from tests.support.redis_server import binary, free_port

ORIGIN = Path(__file__).parent / "servers/origin/nginx.conf"


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the server under test, and that of the load, Redis and the origin."""

    server: int
    load: int


@dataclass(frozen=True, slots=True)
class Stage:
    """Redis and the origin, running."""

    cores: Cores
    folder: Path
    redis: Process
    redis_port: int
    origin: Process
    origin_port: int

    def client(self) -> Redis:
        return Redis(port=self.redis_port)

    def forget(self) -> None:
        """Empty Redis."""
        with self.client() as client:
            client.flushall()


@dataclass(frozen=True, slots=True)
class Served:
    """A server under test, running."""

    process: Process
    port: int
    stage: Stage


@contextmanager
def staged(cores: Cores) -> Iterator[Stage]:
    """Start Redis and the origin."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="playgate-bench-")))
        redis_port, origin_port = free_port(), free_port()
        counts = stack.enter_context(
            Process(
                *(binary(), "--port", str(redis_port), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no", "--dir", str(folder)),
                core=cores.load,
                log=folder / "redis.log",
            )
        )
        world.write_origin(folder / "www")
        (folder / "origin").mkdir()
        (folder / "origin/nginx.conf").write_text(
            Template(ORIGIN.read_text()).substitute(
                user="user root;" if os.geteuid() == 0 else "",
                port=origin_port,
                root=folder / "www",
            )
        )
        origin = stack.enter_context(
            Process(
                *("nginx", "-p", str(folder / "origin"), "-c", "nginx.conf"),
                core=cores.load,
                log=folder / "origin.log",
            )
        )
        wait_until_ready(origin, f"http://127.0.0.1:{origin_port}/live/c0/master.m3u8")
        yield Stage(cores, folder, counts, redis_port, origin, origin_port)


@contextmanager
def serving(
    peer: Peer, stage: Stage, *, ttl: int = 30, cache: bool = True, streams: int = 0
) -> Iterator[Served]:
    """Start a peer on a stage. What is in Redis stays."""
    with TemporaryDirectory(prefix=f"{peer.name}-", dir=stage.folder) as folder:
        terms = Terms(
            core=stage.cores.server,
            port=free_port(),
            redis_port=stage.redis_port,
            origin=f"127.0.0.1:{stage.origin_port}",
            folder=Path(folder),
            ttl=ttl,
            cache=cache,
            streams=streams,
        )
        with peer.process(terms) as process:
            wait_until_ready(process, peer.ready(terms))
            yield Served(process, terms.port, stage)
