"""Whoever is primary is asked, and nobody else; over TLS as well."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from proxy.admission.redis import RedisStore
from proxy.errors import StoreUnavailable
from proxy.redis_client import cause, client
from proxy.redis_pipes import Pipes
from proxy.redis_place import Address, parse
from proxy.redis_primary import agreed, answer, of_primary
from proxy.streams import Outcome
from tests.admission.samples import ACCOUNT, attempt, policy
from tests.admission.tls_front import certificate
from tests.support import needs
from tests.support.poll import until
from tests.support.redis_server import RedisServer, free_port
from tests.support.redis_team import SLOTS, Watched, ask, is_primary, promoted

PATIENT = 10.0

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("engines")]


async def test_a_replica_that_is_called_primary_is_not_taken_for_one(watched: Watched) -> None:
    """A sentinel that was cut off may say so; another knows better."""
    replica, primary = (("127.0.0.1", one.port) for one in (watched.replica, watched.primary))

    async def said() -> AsyncGenerator[Address, None]:
        for address in (replica, replica, primary):
            yield address

    place = parse(watched.url, PATIENT)
    assert (await answer(of_primary(place, said), "ROLE"))[0] == b"master"


async def test_a_primary_that_is_demoted_is_left(watched: Watched) -> None:
    """Though it goes on taking writes, for some ten seconds, that are lost with it."""
    await watched.agreed()
    store = RedisStore(watched.url, policy(), key_prefix="playgate", timeout=PATIENT)
    await store.start()
    first = await store.decide(attempt("a"))

    async def copied() -> bool:
        return bool(await ask(watched.replica, "EXISTS", f"playgate:{{{ACCOUNT}}}:streams"))

    await until(copied, "the replica has it")

    async def begun() -> bool:
        """Whether it is accepted: not before the sentinel has heard of the replica lately."""
        told = await ask(watched.sentinels[0], "SENTINEL", "FAILOVER", "mymaster")
        return told is not None or await is_primary(watched.replica)

    await until(begun, "the sentinel has another take its place")
    await promoted(watched.replica)
    place = parse(watched.url, PATIENT)

    async def known() -> bool:
        return await agreed(place) == ("127.0.0.1", watched.replica.port)

    await until(known, "the sentinels agree on the new one")
    await store.ping()  # as each proxy does every two seconds
    told = await store.decide(attempt("a", beat=True))
    assert (told.outcome, told.started_ms) == (Outcome.RENEWED, first.started_ms)
    pipe = cast("Pipes", store._pipes)._pipe
    assert pipe
    assert pipe.address == ("127.0.0.1", watched.replica.port)
    await store.close()


async def test_it_is_said_what_is_wrong_with_the_sentinels(watched: Watched) -> None:
    url = watched.url.replace("mymaster", "other")
    store = RedisStore(url, policy(), key_prefix="playgate", timeout=PATIENT)
    with pytest.raises(StoreUnavailable) as failure:
        await store.ping()
    await store.close()
    assert "no sentinel names a primary of other" in cause(failure.value, url)


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
async def test_all_is_asked_over_tls(tmp_path: Path, kind: str) -> None:
    # The Valkey that comes with the tests is built without TLS.
    program = needs.program("redis-server", install="apt-get install redis-server")
    public, private = certificate(tmp_path)
    over_tls = {
        "tls-cert-file": public,
        "tls-key-file": private,
        "tls-ca-cert-file": public,
        "tls-auth-clients": "no",
        "tls-replication": "yes",
        "tls-port": free_port(),
    }
    port, options = over_tls["tls-port"], [*_options(over_tls)]
    if kind == "cluster":
        clustered = {"cluster-enabled": "yes", "tls-cluster": "yes", "cluster-port": free_port()}
        options += _options(clustered)
    path = ""
    with ExitStack() as started:
        server = started.enter_context(RedisServer(*options, program=program))
        if kind == "cluster":
            await whole(server)
        else:
            over_tls["tls-port"] = free_port()
            started.enter_context(watching(program, f"{port}", over_tls))
            port, path = over_tls["tls-port"], "/mymaster/0"
        url = f"rediss+{kind}://127.0.0.1:{port}{path}?ssl_ca_certs={public}"
        store = RedisStore(url, policy(), key_prefix="playgate", timeout=PATIENT)
        await store.start()
        assert (await store.decide(attempt("a"))).outcome is Outcome.ADMITTED
        assert await store.active() == {"live": 1}
        redis = client(url, timeout=PATIENT, connections=1, key="key")
        assert await redis.set("key", "x", px=60_000)
        await redis.aclose()
        await store.close()


def watching(program: str, port: str, options: Mapping[str, object]) -> RedisServer:
    """Give a sentinel that watches who is on a port, not started yet."""
    sentinel = RedisServer(program=program, sentinel=True)
    lines = [
        *(f"{name} {value}" for name, value in options.items()),
        f"port {sentinel.port}",
        "bind 127.0.0.1",
        f"dir {sentinel.folder.name}",
        f"sentinel monitor mymaster 127.0.0.1 {port} 1",
    ]
    Path(sentinel.folder.name, "sentinel.conf").write_text("\n".join(lines) + "\n")
    return sentinel


def _options(named: Mapping[str, object]) -> Iterator[str]:
    for name, value in named.items():
        yield f"--{name}"
        yield f"{value}"


async def whole(server: RedisServer) -> None:
    """Make a server a cluster of one."""
    await ask(server, "CLUSTER", "ADDSLOTSRANGE", "0", f"{SLOTS - 1}")

    async def ready() -> bool:
        return "cluster_state:ok" in str(await ask(server, "CLUSTER", "INFO"))

    await until(ready, "the cluster is ready")
