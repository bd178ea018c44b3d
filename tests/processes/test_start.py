"""How a proxy of several processes starts, or says why it does not."""

import asyncio
import signal
import socket
from pathlib import Path

from tests.conftest import Tell
from tests.processes.fleet import Fleet, descriptors
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


async def test_connections_are_spread_evenly(stopped: Fleet, tell: Tell) -> None:
    """One socket for all would give most of what comes at once to whoever is awake first."""
    async with stopped.running() as fleet:
        before = [descriptors(pid) for pid in fleet.pids]
        streams = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", fleet.port) for _ in range(120))
        )

        async def all_are_accepted() -> bool:
            return sum(map(descriptors, fleet.pids)) >= sum(before) + len(streams)

        await until(all_are_accepted, "all connections are accepted")
        got = [descriptors(pid) - there for pid, there in zip(fleet.pids, before, strict=True)]
        tell(f"workers: of {len(streams)} connections at once each got {got}")
        assert min(got) > len(streams) / 4
        for _, writer in streams:
            writer.close()


async def test_more_workers_than_there_are_places_for_there_cannot_be(stopped: Fleet) -> None:
    code, said = await ended(stopped, "--workers", "257")
    assert code == 2
    assert "workers" in said
