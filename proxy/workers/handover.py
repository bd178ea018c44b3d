"""What a master hands on to the one that takes its place (SIGUSR2): sockets, and where is counted.

The new master is another program, perhaps of another version. It gets the sockets by their file
descriptors, and by a variable what they are. With the sockets it gets what waits on them, and with
the folder all that was counted: whoever looks sees no port closed, and no counter fall.
"""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

from proxy.web.sockets import Sockets
from proxy.workers.ports import Ports, inherited

VARIABLE = "PLAYGATE_HANDED_ON"
# gunicorn's, for what it bound itself.
NOT_OURS = "GUNICORN_FD"


@dataclass(frozen=True, slots=True)
class Handover:
    """What a new master finds; nothing where it is the first."""

    players: Sockets = ()
    operators: Sockets = ()
    folder: Path | None = None

    @classmethod
    def received(cls, environ: MutableMapping[str, str]) -> "Handover":
        """Take what there is out of the environment, so that nobody else takes it for theirs."""
        environ.pop(NOT_OURS, None)
        written = environ.pop(VARIABLE, None)
        if written is None:
            return cls()
        told = json.loads(written)
        return cls(inherited(told["players"]), inherited(told["operators"]), Path(told["folder"]))

    def close_all_but(self, ports: Ports) -> None:
        """Let go of sockets that the configuration has no use for any more."""
        for given in (*self.players, *self.operators):
            if given not in ports.all:
                given.close()


def written(ports: Ports, folder: Path) -> str:
    """Write down what is handed on."""
    return json.dumps(
        {
            "players": [one.fileno() for one in ports.players],
            "operators": [one.fileno() for one in ports.operators],
            "folder": str(folder),
        }
    )
