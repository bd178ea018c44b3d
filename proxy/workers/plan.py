"""What a proxy of several workers is to be: all that a worker finds when it is forked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from proxy.configured import Heard
from proxy.settings.reload import ConfigFile
from proxy.settings.schema import Settings
from proxy.telemetry.shared_metrics import SharedMetrics
from proxy.workers.board import Board
from proxy.workers.ports import Ports

# How a worker ends that could not start. By the first two gunicorn's master ends as well: its words
# for an application that cannot be loaded, and a worker that cannot boot.
WRONG_INPUT, UNREACHABLE = 4, 3
FAILED = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line."""

    settings: Settings
    file: ConfigFile
    heard: Heard
    workers: int
    require_store: bool
    pid_file: Path | None


class Plan(BaseApplication):
    """What gunicorn takes for an application. ``settings`` are those in force."""

    def __init__(
        self, wanted: Wanted, ports: Ports, metrics: SharedMetrics, options: Mapping[str, object]
    ) -> None:
        self.settings = wanted.settings
        self.file = wanted.file
        self.heard = wanted.heard
        self.number = wanted.workers
        self.require_store = wanted.require_store
        self.has_served = False
        self.ports = ports
        self.metrics = metrics
        self.board = Board()
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options; no file and no variable of its own is looked at."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Load nothing: workers know what they serve."""
        return None
