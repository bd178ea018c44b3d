"""Several servers that are one store: a primary with a replica and sentinels, and a cluster.

Both start knowing of each other, by the files they would have written themselves, so that they are
ready in a second rather than in ten. Nobody is taken for gone because a machine is busy, until a
test has somebody go: then what fails over does so as quickly as a busy machine allows (``hasten``).
"""

import shutil
import signal
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.support.poll import until
from tests.support.redis_server import RedisServer, binary, bundled, free_port

# Without a pause before a replica gets its first copy, nor a rest between tries (seconds).
REPLICA = (
    *("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"),
    *("--repl-ping-replica-period", "1"),
)
# How long one may say nothing before another takes its place.
PATIENT_MS = 60_000
NODE_TIMEOUT_MS = 1_000
DOWN_AFTER_MS = 700
SLOTS = 16_384

# The user that docs/scaling.md gives to proxies, and the passwords of operators and of sentinels.
USER, PASSWORD, OPERATOR, SENTINEL = "playgate", "p@ss/word", "operator", "sentinel"
ALLOWED = (
    *("+@connection", "+@read", "+@write", "+eval", "+evalsha", "+script|load", "+time", "+role"),
    "+cluster|slots",
)
LOCKED = (
    *("--requirepass", OPERATOR, "--masterauth", OPERATOR),
    *("--user", USER, "on", f">{PASSWORD}", "~playgate:*", "~agree*", *ALLOWED),
)

# The servers there are: what is on PATH, Redis or Valkey, and the Valkey that comes with the tests.
ENGINES = ("redis", "valkey")


def program(engine: str) -> str:
    """Find an engine's server; ``redis`` may be a Valkey where no Redis is on PATH."""
    return binary() if engine == "redis" else shutil.which("valkey-server") or bundled()


class Team(ABC):
    """Servers that are started together, and ended with their context.

    Where they are ``locked``, they let in operators and one user, who may do what is needed.
    """

    def __init__(self, *, locked: bool) -> None:
        self.servers: list[RedisServer] = []
        self.locked = locked
        self._opened = ExitStack()

    def server(self, program: str, *options: str) -> RedisServer:
        """Give one that is asked for data, not started yet."""
        server = RedisServer(*options, *(LOCKED if self.locked else ()), program=program)
        server.password = OPERATOR if self.locked else None
        return server

    @abstractmethod
    async def hasten(self) -> None:
        """Have whoever says nothing be taken for gone soon, from now on."""

    @property
    def userinfo(self) -> str:
        """What stands before the hosts in the store's URL."""
        return f"{USER}:{quote(PASSWORD, safe='')}@" if self.locked else ""

    def run(self, *servers: RedisServer) -> None:
        """Start servers, and note that they are to be ended."""
        for server in servers:
            self.servers.append(self._opened.enter_context(server))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()


async def ask(server: RedisServer, *command: str) -> Any:
    """Ask one server, as an operator does; None where it is away."""
    redis = Redis(port=server.port, password=server.password, decode_responses=True)
    async with redis:
        try:
            return await redis.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py has no types here
        except (RedisError, OSError):
            return None


async def follows(replica: RedisServer) -> bool:
    """Whether a replica has what its primary has."""
    told = await ask(replica, "INFO", "replication")
    return told is not None and told.get("master_link_status") == "up"


async def is_primary(server: RedisServer) -> bool:
    """Whether a server says that it is primary."""
    told = await ask(server, "ROLE")
    return bool(told and told[0] == "master")


def kill(server: RedisServer) -> None:
    """End a server as a machine does that loses its power."""
    server.stop()


def freeze(server: RedisServer) -> None:
    """Have a server hang: its connections stay, and it says nothing."""
    assert server.process
    server.process.send_signal(signal.SIGSTOP)


class Watched(Team):
    """A primary, a replica, and three sentinels."""

    def __init__(self, engine: str, *, locked: bool = False) -> None:
        super().__init__(locked=locked)
        self._program = program(engine)
        self.primary = self.server(self._program, *REPLICA)
        of = ("--replicaof", "127.0.0.1", f"{self.primary.port}")
        self.replica = self.server(self._program, *REPLICA, *of)
        self.sentinel_ports = [free_port() for _ in range(3)]

    @property
    def url(self) -> str:
        """The store's URL."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)
        options = f"?sentinel_password={SENTINEL}" if self.locked else ""
        return f"redis+sentinel://{self.userinfo}{hosts}/mymaster/0{options}"

    async def start(self) -> None:
        """Start all, and wait until the replica follows and the sentinels agree."""
        self.run(self.primary, self.replica)
        sentinels = [self._watching(number) for number in range(3)]
        self.run(*sentinels)

        async def ready() -> bool:
            return await follows(self.replica)

        await until(ready, "the replica follows")

    def _watching(self, number: int) -> RedisServer:
        ports, ids = self.sentinel_ports, [f"{one:x}" * 40 for one in range(1, 4)]
        port = ports[number]
        server = RedisServer(program=self._program, port=port, sentinel=True)
        server.password = SENTINEL if self.locked else None
        passwords = (
            f"requirepass {SENTINEL}",
            f"sentinel sentinel-pass {SENTINEL}",
            f"sentinel auth-pass mymaster {OPERATOR}",
        )
        others = [other for other in range(3) if other != number]
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {server.folder.name}",
            f"sentinel myid {ids[number]}",
            f"sentinel monitor mymaster 127.0.0.1 {self.primary.port} 2",
            f"sentinel down-after-milliseconds mymaster {PATIENT_MS}",
            "sentinel failover-timeout mymaster 4000",
            f"sentinel known-replica mymaster 127.0.0.1 {self.replica.port}",
            *(
                f"sentinel known-sentinel mymaster 127.0.0.1 {ports[other]} {ids[other]}"
                for other in others
            ),
            *(passwords if self.locked else ()),
        ]
        Path(server.folder.name, "sentinel.conf").write_text("\n".join(lines) + "\n")
        return server

    async def hasten(self) -> None:
        for one in self.sentinels:
            option = ("down-after-milliseconds", f"{DOWN_AFTER_MS}")
            assert await ask(one, "SENTINEL", "SET", "mymaster", *option) == "OK"

    @property
    def sentinels(self) -> list[RedisServer]:
        """The three of them, once they are started."""
        return self.servers[2:]

    async def agreed(self) -> None:
        """Wait until every sentinel sees the others and the replica, so that they can act."""

        async def so() -> bool:
            told = [await ask(one, "SENTINEL", "CKQUORUM", "mymaster") for one in self.sentinels]
            return all(isinstance(one, str) and one.startswith("OK 3") for one in told)

        await until(so, "the sentinels agree")


class Cluster(Team):
    """Three primaries with a replica each."""

    def __init__(self, engine: str, *, locked: bool = False) -> None:
        super().__init__(locked=locked)
        found = program(engine)
        common = (
            *("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"),
            *("--cluster-node-timeout", f"{PATIENT_MS}"),
            # As docs/scaling.md has it: the others go on while one is away.
            *("--cluster-require-full-coverage", "no", "--cluster-replica-validity-factor", "0"),
            *REPLICA,
        )
        buses = [free_port() for _ in range(6)]
        self.nodes = [self.server(found, *common, "--cluster-port", f"{bus}") for bus in buses]
        self.primaries, self.replicas = self.nodes[:3], self.nodes[3:]
        ids = [f"{number:x}" * 40 for number in range(1, 7)]
        for number, node in enumerate(self.nodes):
            lines = []
            for other, (server, bus) in enumerate(zip(self.nodes, buses, strict=True)):
                myself = "myself," if other == number else ""
                first, last = SLOTS * (other % 3) // 3, SLOTS * (other % 3 + 1) // 3 - 1
                role = f"slave {ids[other - 3]}" if other >= 3 else "master -"
                slots = "" if other >= 3 else f" {first}-{last}"
                lines.append(
                    f"{ids[other]} 127.0.0.1:{server.port}@{bus} {myself}{role} 0 0"
                    f" {other % 3 + 1} connected{slots}"
                )
            lines.append("vars currentEpoch 3 lastVoteEpoch 0")
            Path(node.folder.name, "nodes.conf").write_text("\n".join(lines) + "\n")

    @property
    def url(self) -> str:
        """The store's URL: one node is enough, and two are better."""
        first, second = self.primaries[:2]
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        return f"redis+cluster://{self.userinfo}{hosts}"

    async def start(self) -> None:
        """Start all, and wait until replicas follow and all say that all is well."""
        self.run(*self.nodes)

        async def ready() -> bool:
            states = [await ask(node, "CLUSTER", "INFO") for node in self.nodes]
            well = all(state and "cluster_state:ok" in str(state) for state in states)
            return well and all([await follows(replica) for replica in self.replicas])

        await until(ready, "the cluster is ready")

    async def hasten(self) -> None:
        for node in self.nodes:
            option = ("cluster-node-timeout", f"{NODE_TIMEOUT_MS}")
            assert await ask(node, "CONFIG", "SET", *option) == "OK"

    def primary_of(self, slot: int) -> int:
        """Tell which of the primaries had a hash slot at first."""
        return next(n for n in range(3) if slot < SLOTS * (n + 1) // 3)


async def promoted(server: RedisServer) -> None:
    """Wait until a replica has become primary."""

    async def so() -> bool:
        return await is_primary(server)

    await until(so, "the replica is primary")
