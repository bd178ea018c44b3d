"""One worker: a process in which a proxy serves on what the master bound.

The master tells it by signals: SIGTERM to drain and end, SIGQUIT to wait for no request any longer,
SIGHUP to reload. It tells the master that it is alive, from its event loop: one that hangs says
nothing, and is replaced.
"""

import asyncio
import faulthandler
import os
import signal
import sys
from typing import Any, cast

import structlog
import typer
import uvloop
from gunicorn.workers.base import Worker

from proxy.background import Repeated
from proxy.errors import StoreUnavailable
from proxy.opening import said, store_refused
from proxy.running import lifetime, to_the_end
from proxy.serve import Service
from proxy.settings.load import ConfigError
from proxy.team import Team
from proxy.workers.plan import FAILED, UNREACHABLE, WRONG_INPUT, Plan

# What the master and operators tell a worker, held back until it can be heard.
HEARD = (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)
# What is meant for the master: a terminal sends SIGINT to all of them, who rotates logs SIGUSR1.
IGNORED = (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)
# How often to tell the master, and to look whether it is there (seconds).
BEAT_SECONDS = 1.0
# How often to look whether a socket has nobody who accepts from it (seconds): so long a connection
# may wait whose worker has died.
TEND_SECONDS = 0.25
# A system that stops a service may tell its workers a moment before their master (seconds).
SAME_TIME_SECONDS = 0.5
# How long the others may take to reload (each reads the file in ten seconds at most), and how often
# to look (seconds).
FOLLOW_SECONDS = 15.0
FOLLOW_LOOK_SECONDS = 0.02

log = structlog.get_logger("playgate")


class ServingWorker(Worker):
    """A worker of gunicorn's, which runs no WSGI application but a proxy."""

    def __init__(self, *given: Any) -> None:
        """Take a place on the board. Called by the master, before it forks."""
        super().__init__(*given)
        self._plan = cast("Plan", self.app)
        self.place = self._plan.board.take()
        # Those that follow must not take the whole proxy down with them.
        self._is_first = not self._plan.has_served
        self._stop, self._hung_up = asyncio.Event(), asyncio.Event()

    def init_signals(self) -> None:
        """Hear no signal before the event loop does."""
        for name in (*HEARD, signal.SIGCHLD):
            signal.signal(name, signal.SIG_DFL)
        for name in IGNORED:
            signal.signal(name, signal.SIG_IGN)
        # By SIGABRT the master ends who hangs: then it is told where.
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        if sys.stderr is not None:  # there is none where the process was started with a closed one
            faulthandler.enable(all_threads=False)

    def load_wsgi(self) -> None:
        """Load nothing."""

    def run(self) -> None:
        """Serve, and end the process with what it comes to."""
        try:
            uvloop.run(to_the_end(self._serve()))
        except StoreUnavailable as error:
            self._fail(str(store_refused(error, self._plan.file.problem)), UNREACHABLE)
        except (ConfigError, OSError) as error:
            self._fail(said(error) if isinstance(error, OSError) else str(error), WRONG_INPUT)

    def _fail(self, message: str, code: int) -> None:
        if self._is_first:
            typer.echo(message, err=True)  # as the command does
            sys.exit(code)
        log.error("a worker could not start", cause=message)
        sys.exit(FAILED)

    # --- In the event loop ---

    async def _serve(self) -> None:
        plan, loop = self._plan, asyncio.get_running_loop()
        team = Team(
            players=plan.ports.players,
            operators=plan.ports.operators,
            metrics=plan.metrics,
            tended=self._tended,
            ends=lambda: plan.board.stopping,
            follow=self._have_others_follow,
            watches=self.place == 0,
        )
        service = Service(plan.settings, file=plan.file, heard=plan.heard, team=team)

        def hurry() -> None:
            service.hurry()
            self._stop.set()

        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGQUIT, hurry)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        beats = Repeated("worker", self._beat)
        tending = Repeated("doors", lambda: self._tend(service))
        reloads = Repeated("reloads", lambda: self._follow(service))
        await beats.start()
        insist = plan.require_store and self._is_first
        async with lifetime(service, self._stop, require_store=insist) as started:
            if started:
                self._say_that_it_serves()
                await tending.start()
                await reloads.start()
                await self._stop.wait()
                plan.board.leave(self.place)
                await reloads.close()
                await tending.close()
            stepping_back = asyncio.create_task(self._step_back(service))
        stepping_back.cancel()
        await beats.close()

    def _say_that_it_serves(self) -> None:
        board, workers = self._plan.board, self._plan.number
        board.serve(self.place)
        if board.serving >= workers:
            log.info("all workers serve", workers=workers, master=self.ppid)

    def _tended(self) -> list[int]:
        """The sockets that are ours to accept from: our own, and of workers that cannot."""
        board, number = self._plan.board, self._plan.number
        sockets = range(len(self._plan.ports.players))
        theirs = [one for one in sockets if board.tends(one, number) == self.place]
        return theirs or [one for one in sockets if one % number == self.place]

    async def _tend(self, service: Service) -> None:
        await asyncio.sleep(TEND_SECONDS)
        await service.tend()

    async def _beat(self) -> None:
        self.notify()
        self._plan.board.turn(self.place)
        if os.getppid() != self.ppid and not self._stop.is_set():
            log.error("the master is gone", master=self.ppid)
            self._stop.set()
        await asyncio.sleep(BEAT_SECONDS)

    async def _step_back(self, service: Service) -> None:
        """Where this worker ends alone, leave operators to the others, who are ready."""
        await asyncio.sleep(SAME_TIME_SECONDS)
        if self._plan.board.stopping:
            service.health.draining = True
        else:
            await service.step_back()

    async def _follow(self, service: Service) -> None:
        """Reload once for all that was asked for meanwhile."""
        await self._hung_up.wait()
        self._hung_up.clear()
        asked = self._plan.board.asked
        try:
            await service.follow(by="SIGHUP")
        except ConfigError:
            pass  # it is logged
        finally:
            self._plan.board.follow(self.place, asked)

    async def _have_others_follow(self) -> int:
        """Have the master tell all workers to reload, wait, and give how many did not."""
        board = self._plan.board
        reload = board.asked + 1
        if os.getppid() != self.ppid:
            return 0  # all of them end
        os.kill(self.ppid, signal.SIGHUP)
        try:
            async with asyncio.timeout(FOLLOW_SECONDS):
                while board.behind(reload):  # noqa: ASYNC110  # other processes' news
                    await asyncio.sleep(FOLLOW_LOOK_SECONDS)
        except TimeoutError:
            log.warning("not all workers have reloaded", waited=FOLLOW_SECONDS)
        return board.behind(reload)
