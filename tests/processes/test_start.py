"""How a proxy of several processes starts, or says why it does not."""

import asyncio
import signal
import socket
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from tests.conftest import Tell
from tests.processes.fleet import Fleet, state
from tests.support.poll import until
from tests.support.redis_server import free_port


async def ended(fleet: Fleet, *options: str) -> tuple[int, str]:
    """Start it, and give the exit code of what cannot start, and what it said."""
    process = await fleet.start(*options)
    code = await process.wait()
    await fleet._reading
    return code, "".join(fleet.log)


async def test_memory_cannot_be_shared(stopped: Fleet) -> None:
    stopped.settings = {"store": {"url": "memory://", "timeout": "100ms"}}  # its default
    code, said = await ended(stopped)
    assert code == 1
    assert "store.url: memory:// counts in one process" in said


async def test_a_file_that_is_no_good_is_told_once(stopped: Fleet) -> None:
    stopped.settings = {"limits": {"default": -1}, "cors": {"origins": ["x"]}}
    code, said = await ended(stopped)
    assert code == 1
    assert said.count("limits.default: must be at least 0") == 1
    assert said.count("cors.origins[0]") == 1


async def test_a_port_that_is_taken_is_told(stopped: Fleet) -> None:
    with socket.create_server(("127.0.0.1", stopped.admin_port)):
        code, said = await ended(stopped)
    assert code == 1
    assert f"127.0.0.1:{stopped.admin_port} cannot be bound: address already in use" in said


async def test_a_required_store_that_is_away_ends_all_of_it(stopped: Fleet) -> None:
    stopped.store = f"redis://127.0.0.1:{free_port()}"
    code, said = await ended(stopped, "--require-store")
    assert code == 3
    assert "playgate.yaml:" in said
    assert "store.url: the store cannot be used: ConnectionError: " in said


async def test_a_store_that_is_away_is_waited_for_where_it_is_not_required(stopped: Fleet) -> None:
    stopped.store = f"redis://127.0.0.1:{free_port()}"
    stopped.settings = {"store": {"timeout": "100ms"}}
    async with stopped.running() as fleet:
        assert (await fleet.operate("/readyz"))[0] == 200
        pid = fleet.pids[0]
        async with fleet.replacing():  # those that follow do not insist either
            fleet.tell(signal.SIGKILL, pid)
        samples = await fleet.metrics()
        assert samples["playgate_degraded"] == {(): 1}
        assert samples["playgate_store_up"] == {(): 0}


async def test_the_master_is_told_by_its_file(stopped: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "playgate.pid"
    async with stopped.running("--pid-file", str(file)) as fleet:
        assert int(file.read_text()) == fleet.master
        await fleet.upgrade()

        async def is_renamed() -> bool:
            return file.exists() and int(file.read_text()) == fleet.master

        await until(is_renamed, "the file is the new master's")


CONNECTIONS = 120
# States of a socket, as the kernel writes them.
ESTABLISHED, LISTEN = "01", "0A"


def connections(port: int, state: str) -> list[list[str]]:
    """Give the rows of the kernel's table for sockets of a port of loopback in a state."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row for row in rows if row[1] == f"0100007F:{port:04X}" and row[3] == state]


def queued(port: int) -> list[int]:
    """How many connections wait on each socket that listens on a port."""
    return [int(row[4].partition(":")[2], 16) for row in connections(port, LISTEN)]


def accepted(port: int, pid: int) -> int:
    """How many connections of a port a process has accepted."""
    sockets = {f"socket:[{row[9]}]" for row in connections(port, ESTABLISHED)}
    held = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            held += str(file.readlink()) in sockets
    return held


async def test_connections_are_spread_evenly(stopped: Fleet, tell: Tell) -> None:
    """One socket for all would give most of what comes at once to whoever is awake first."""
    async with stopped.running() as fleet:

        def got() -> list[int]:
            return [accepted(fleet.port, pid) for pid in fleet.pids]

        async def all_stand() -> bool:
            return all(state(pid) == "T" for pid in fleet.pids)

        async def each_takes_its_own() -> bool:
            """Whether each worker accepts what was queued for it.

            One that a busy machine keeps from the processor for seconds is helped by the other.
            """
            for pid in fleet.pids:
                fleet.tell(signal.SIGSTOP, pid)
            await until(all_stand, "all workers stand still")
            async with AsyncExitStack() as opened:
                for _ in range(CONNECTIONS):
                    _, writer = await asyncio.open_connection("127.0.0.1", fleet.port)
                    opened.push_async_callback(writer.wait_closed)
                    opened.callback(writer.close)

                async def all_are_queued() -> bool:
                    return sum(queued(fleet.port)) == CONNECTIONS

                await until(all_are_queued, "all connections are queued")
                waiting = queued(fleet.port)
                for pid in fleet.pids:
                    fleet.tell(signal.SIGCONT, pid)

                async def all_are_accepted() -> bool:
                    return sum(got()) == CONNECTIONS

                await until(all_are_accepted, "all connections are accepted")
                taken = got()
            assert len(waiting) == fleet.workers
            assert min(waiting) > CONNECTIONS / 4
            tell(f"workers: of {CONNECTIONS} connections at once each got {taken}")
            return sorted(taken) == sorted(waiting)

        await until(each_takes_its_own, "each worker accepts what is queued for it")


async def test_more_workers_than_there_are_places_for_there_cannot_be(stopped: Fleet) -> None:
    code, said = await ended(stopped, "--workers", "257")
    assert code == 2
    assert "workers" in said
