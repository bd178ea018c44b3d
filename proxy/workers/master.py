"""The master: keeps so many workers running, and serves nobody itself.

gunicorn's, but for what would lose requests or counts. A reload is one within the workers
(gunicorn would replace them). All that end a proxy end it gently, and a second signal ends the
wait. A worker that cannot start does not take down those that serve. What workers count is kept
when they go.
"""

import contextlib
import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn, cast

import structlog
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.sock import BaseSocket

from proxy import signals
from proxy.opening import certificate_refused, port_opened
from proxy.playback.device import warm_up
from proxy.settings.load import ConfigError
from proxy.telemetry.shared_metrics import SharedMetrics
from proxy.web.certificate import loaded
from proxy.workers.folder import Folder
from proxy.workers.handover import VARIABLE, Handover, written
from proxy.workers.master_log import MasterLog
from proxy.workers.plan import WRONG_INPUT, Plan, Wanted
from proxy.workers.ports import Ports
from proxy.workers.worker import HEARD, ServingWorker

# A worker whose event loop did not turn for so long is replaced (seconds). Players give up after
# some ten seconds, so nobody waits for it any more; starting takes one or two, on a busy machine
# more.
HUNG_SECONDS = 20
# What closing may take after the drain: a second or so, and more on a busy machine.
CLOSING_SECONDS = 5.0
# A worker that ends so soon after its start would do so again: the next has time until then.
YOUNG_SECONDS = 5.0
PAUSE_SECONDS = 1.0
# How often to look whether workers have ended (seconds).
LOOK_SECONDS = 0.1
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})

log = structlog.get_logger("playgate")


class Master(Arbiter):
    """gunicorn's arbiter of a plan's workers."""

    def __init__(self, plan: Plan, folder: Folder) -> None:
        super().__init__(plan)
        self._plan = plan
        self._folder = folder
        self._no_sooner = 0.0
        self._spawned: dict[int, float] = {}
        # What a new master is started by (SIGUSR2): this very command, and not its first word as
        # Python understood it.
        self.START_CTX["args"] = [sys.executable, *sys.orig_argv[1:]]

    def init_signals(self) -> None:
        """Hear signals, those too that came during the start."""
        super().init_signals()
        signals.release()

    # --- Workers ---

    def manage_workers(self) -> None:
        """Start and end workers until there are as many as are wanted."""
        self._plan.metrics.fold()
        self._plan.has_served |= self._plan.board.serving >= self._plan.number
        if time.monotonic() >= self._no_sooner:
            super().manage_workers()

    def spawn_worker(self) -> int:
        """Start one; what it is told meanwhile, it hears when it can."""
        held = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        try:
            pid = super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        self._spawned[pid] = time.monotonic()
        return pid

    def reap_workers(self) -> None:
        """Notice who has ended."""
        before = dict(self.WORKERS)
        super().reap_workers()
        for pid in before.keys() - self.WORKERS.keys():
            self._plan.board.free(cast("ServingWorker", before[pid]).place)
            if time.monotonic() - self._spawned.pop(pid, 0.0) < YOUNG_SECONDS:
                self._no_sooner = time.monotonic() + PAUSE_SECONDS
        self._plan.metrics.fold()

    def handle_ttin(self) -> None:
        """Stay as many, because each has a socket of its own."""
        log.warning("the number of workers is that of the command line", workers=self._plan.number)

    handle_ttou = handle_ttin

    # --- Another configuration, another program ---

    def handle_hup(self) -> None:
        """Have all workers reload; those that come later begin with what these have."""
        with contextlib.suppress(ConfigError):  # workers say so
            reread = self._plan.file.reread(self._plan.settings)
            self._plan.settings = reread.settings
            if reread.changed:
                self._plan.heard(reread.settings)
        self._plan.board.ask()
        self.kill_workers(signal.SIGHUP)

    def reexec(self) -> None:
        """Start a new master beside this one, on the same sockets."""
        # The one before may be gone since the last look, and is no reason to refuse any more.
        self.maybe_promote_master()
        self.cfg.env_orig[VARIABLE] = written(self._plan.ports, self._folder.path)
        super().reexec()

    # --- The end ---

    def handle_int(self) -> NoReturn:
        """End as with SIGTERM."""
        raise StopIteration

    handle_quit = handle_int

    def stop(self, graceful: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002  # gunicorn's; it is always
        """Have all workers drain, and wait until they have."""
        if not self._has_another:
            self._plan.board.stop()
        for listener in self.LISTENERS:
            listener.close()
        log.info("stopping", workers=len(self.WORKERS), master=os.getpid())
        self.kill_workers(signal.SIGTERM)
        give_up = time.monotonic() + self._plan.settings.listen.drain_timeout + CLOSING_SECONDS
        while self.WORKERS and time.monotonic() < give_up:
            told = ENDING.intersection(self.wait_for_signals(timeout=LOOK_SECONDS))
            if told:
                self.kill_workers(signal.SIGQUIT)
            with contextlib.suppress(HaltServer):  # as is being done
                self.reap_workers()
        self.kill_workers(signal.SIGKILL)
        with contextlib.suppress(HaltServer):
            self.reap_workers()

    def halt(self, reason: str | None = None, exit_status: int = 0) -> NoReturn:
        """Stop, and end the process as the command does that is one process."""
        if exit_status == WRONG_INPUT:
            exit_status = 1
        try:
            super().halt(reason, exit_status)
        finally:
            if not self._has_another:
                self._folder.remove()
        raise AssertionError  # it has ended

    @property
    def _has_another(self) -> bool:
        """Whether there is another master on the same sockets, old or new."""
        return self.reexec_pid != 0 or self.master_pid != 0


def serve_by_workers(wanted: Wanted) -> NoReturn:
    """Be the master of workers, until told to end; ends the process.

    Raises:
        ConfigError: a port cannot be bound, or a certificate cannot be read.
        OSError: the file for the process id cannot be written.
    """
    given = Handover.received(os.environ)
    listen, admin = wanted.settings.listen, wanted.settings.admin
    place = wanted.file.problem
    try:
        loaded(listen.tls)
    except OSError as error:
        raise certificate_refused(error, place) from error
    ports = Ports(
        port_opened(listen, place, number=wanted.workers, given=given.players),
        port_opened(admin, place, given=given.operators),
    )
    given.close_all_but(ports)
    signals.hold_all()
    folder = Folder(given.folder) if given.folder else Folder.made()
    metrics = SharedMetrics(folder.path)
    metrics.fold()
    plan = Plan(wanted, ports, metrics, _options(wanted, folder.path))
    Master.LISTENERS = cast("list[BaseSocket]", list(ports.all))
    warm_up()  # once, and not in each worker
    # What is there now is never looked through again, and so stays shared between all workers.
    gc.collect()
    gc.freeze()
    try:
        Master(plan, folder).run()
    except (RuntimeError, OSError) as error:
        # Before anything runs: what comes later, it logs itself, and ends.
        folder.remove()
        raise OSError(f"--pid-file {wanted.pid_file}: {error}") from error
    raise AssertionError  # it ends the process


def _options(wanted: Wanted, folder: Path) -> dict[str, object]:
    return {
        "workers": wanted.workers,
        "worker_class": ServingWorker,
        "logger_class": MasterLog,
        "timeout": HUNG_SECONDS,
        "worker_tmp_dir": str(folder),
        "pidfile": str(wanted.pid_file) if wanted.pid_file else None,
        "proc_name": "playgate",
        "control_socket_disable": True,
    }
