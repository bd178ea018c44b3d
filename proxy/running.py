"""The process that a proxy is: from its start to its end, and what signals mean to it."""

import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog

from proxy import signals
from proxy.background import Repeated
from proxy.configured import Heard, unheard
from proxy.serve import Service
from proxy.settings.load import ConfigError
from proxy.settings.reload import ConfigFile
from proxy.settings.schema import Settings

# Allocations after which the garbage collector looks at the youngest objects, and looks of that
# kind after which it looks at those that survived one. Some twenty objects of each request under
# way look as if they stayed: with Python's 700 and 10 it took half a beat's time, in pauses of 0.1
# seconds.
COLLECTED_AFTER = (10_000, 20)

# For how long what cannot be broken off may keep a process that has done everything (seconds).
LINGER_SECONDS = 0.5

# Signals that would end the process, and what they are for: nothing that it does.
OTHERS = {
    signal.SIGUSR1: "logs that are files, to be opened anew; these go to stderr",
    signal.SIGUSR2: "the master of several --workers, to start another version beside it",
}

log = structlog.get_logger("playgate")


@contextlib.asynccontextmanager
async def lifetime(
    service: Service, stop: asyncio.Event, *, require_store: bool = False
) -> AsyncIterator[bool]:
    """Start a proxy, and drain it in the end. Gives whether it was started before a ``stop``.

    Raises:
        ConfigError: a port could not be opened.
        StoreUnavailable: the store was required, and is away.
    """
    told = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(service.start(require_store=require_store))
    try:
        await asyncio.wait((starting, told), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            spare_collector()
        yield starting.done()
    finally:
        told.cancel()
        starting.cancel()  # nothing happens where it is done
        await asyncio.wait((starting, told))
        await service.stop()


async def run(
    settings: Settings,
    *,
    file: ConfigFile | None = None,
    heard: Heard = unheard,
    require_store: bool = False,
    ready: Callable[[Service], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain until done, or told a second time.

    SIGHUP reloads, where the settings came from a ``file``; one that came during the start does so
    after it. ``ready`` is called once both ports are open. Who is told to stop before that starts
    no further.

    Raises:
        ConfigError: a port could not be opened.
        StoreUnavailable: the store was required, and is away.
    """
    service = Service(settings, file=file, heard=heard)
    stop, hung_up = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        if stop.is_set():
            service.hurry()
        stop.set()

    def explain(name: signal.Signals) -> None:
        log.warning("this signal does nothing here", signal=name.name, meant_for=OTHERS[name])

    async def reload() -> None:
        """Reload once for all signals that came meanwhile."""
        await hung_up.wait()
        hung_up.clear()
        with contextlib.suppress(ConfigError):  # it is logged
            await service.reload(by="SIGHUP")

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, told)
    if file is not None:
        loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    for name in OTHERS:
        loop.add_signal_handler(name, explain, name)
    signals.release()
    reloads = Repeated("reloads", reload)
    async with lifetime(service, stop, require_store=require_store) as started:
        if not started:
            return
        try:
            await reloads.start()
            if ready is not None:
                ready(service)
            await stop.wait()
        finally:
            await reloads.close()


def spare_collector() -> None:
    """Have the garbage collector leave alone what is there for good, and look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)


async def to_the_end(service: Coroutine[Any, Any, None]) -> None:
    """Serve, and see that the process ends then.

    A thread that waits for a name server cannot be broken off, and an event loop is not closed
    before it is done.
    """
    await service
    last = threading.Timer(LINGER_SECONDS, os._exit, (0,))
    last.daemon = True  # where nothing keeps the process, neither does this
    last.start()
