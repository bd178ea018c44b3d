"""HAProxy with nothing beside it, as far as that goes (haproxy/haproxy.cfg)."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template

from bench.against import world
from bench.against.peers.terms import Terms
from bench.against.processes import Process, output

CONFIGURATION = Path(__file__).parents[1] / "servers/haproxy/haproxy.cfg"


@dataclass(frozen=True, slots=True)
class HAProxy:
    name: str = "haproxy"
    title: str = "HAProxy, jwt_verify + stick tables"

    def missing(self) -> str | None:
        return None if shutil.which("haproxy") else "apt-get install haproxy"

    def version(self) -> str:
        return " ".join(output(["haproxy", "-v"]).split()[:3])

    def process(self, terms: Terms) -> Process:
        file = terms.folder / "haproxy.cfg"
        file.write_text(
            Template(CONFIGURATION.read_text()).substitute(
                ttl=terms.ttl,
                port=terms.port,
                token_secret=world.JWT_SECRET,
                limit=world.LIMIT,
                origin=terms.origin,
            )
        )
        return Process(
            *("haproxy", "-db", "-f", str(file)), core=terms.core, log=terms.folder / "haproxy.log"
        )

    def ready(self, terms: Terms) -> str:
        return f"http://127.0.0.1:{terms.port}/ready"


HAPROXY = HAProxy()
