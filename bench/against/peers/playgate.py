"""Playgate of this checkout, as `playgate serve` starts it, metrics on."""

import json
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version

from bench.against import world
from bench.against.peers.terms import Terms
from bench.against.processes import Process
from tests.support.redis_server import free_port


@dataclass(frozen=True, slots=True)
class Playgate:
    """As one process on the server's core; as several on all cores there are, beside the load."""

    name: str = "playgate"
    title: str = "Playgate"
    workers: int = 1

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        parts = ("playgate", "aiohttp", "uvloop", "redis", "hiredis", "PyJWT")
        python = ".".join(map(str, sys.version_info[:3]))
        return ", ".join(f"{part} {version(part)}" for part in parts) + f", Python {python}"

    def process(self, terms: Terms) -> Process:
        file = terms.folder / "playgate.yaml"
        file.write_text(json.dumps(self._settings(terms)))
        return Process(
            *(sys.executable, "-m", "proxy", "serve", "--config", str(file)),
            *("--workers", str(self.workers)),
            core=terms.core if self.workers == 1 else f"0-{(os.cpu_count() or 1) - 1}",
            log=terms.folder / "playgate.log",
        )

    def _settings(self, terms: Terms) -> dict[str, object]:
        origin = [f"http://{terms.origin}"]
        return {
            "listen": {
                "host": "127.0.0.1",
                "port": terms.port,
                # As docs/sizing.md has it: what viewers ask for again and again.
                **({"fast_path_size": terms.streams} if terms.streams else {}),
            },
            "admin": {"host": "127.0.0.1", "port": free_port()},
            "store": {"url": f"redis://127.0.0.1:{terms.redis_port}/0", "timeout": "2s"},
            "auth": {
                "keys": [
                    {"algorithm": "HS256", "secret": world.JWT_SECRET},
                    {"algorithm": "ES256", "public_key": world.public_pem()},
                ]
            },
            "tickets": {"secret": world.TICKET_SECRET},
            "limits": {"default": world.LIMIT},
            "streams": {"ttl": f"{terms.ttl}s"},
            "origin": {"cache": "1s" if terms.cache else "0s"},
            "routes": [
                # As with the peers, segments of `live` are a CDN's; those of `media` are signed.
                {"name": "live", "path": "/live/**", "origins": origin, "segments": "open"},
                {"name": "media", "path": "/media/**", "origins": origin, "segments": "signed"},
            ],
        }

    def ready(self, terms: Terms) -> str:
        return f"http://127.0.0.1:{terms.port}/live/c0/master.m3u8"


PLAYGATE = Playgate()
PLAYGATE_2 = Playgate("playgate-2", "Playgate, two workers on all cores", workers=2)
