"""Servers written for the bench in the way that is usual for their language: Node and Python."""

import json
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.against import world
from bench.against.peers.terms import ADMIT, Terms
from bench.against.processes import Process, output

SERVERS = Path(__file__).parents[1] / "servers"
FASTIFY, FASTAPI = SERVERS / "fastify", SERVERS / "fastapi"
NODE_PARTS = ("fastify", "fast-jwt", "ioredis", "undici")
PYTHON_PARTS = ("fastapi", "httpx", "uvicorn", "redis", "PyJWT", "uvloop", "httptools")


def environment(terms: Terms) -> dict[str, str]:
    return {
        "PORT": str(terms.port),
        "REDIS_PORT": str(terms.redis_port),
        "ORIGIN": terms.origin,
        "TOKEN_SECRET": world.JWT_SECRET,
        "TOKEN_PEM": world.public_pem(),
        "TICKET_SECRET": world.TICKET_SECRET,
        "SCRIPT": str(ADMIT),
        "LIMIT": str(world.LIMIT),
        "TTL": str(terms.ttl),
    }


@dataclass(frozen=True, slots=True)
class Fastify:
    name: str
    title: str
    tuned: bool

    def missing(self) -> str | None:
        if not shutil.which("node"):
            return "Node is not here"
        if not (FASTIFY / "node_modules").exists():
            return "npm install in bench/against/servers/fastify"
        return None

    def version(self) -> str:
        described = (FASTIFY / "node_modules" / part / "package.json" for part in NODE_PARTS)
        packages = (json.loads(file.read_text()) for file in described)
        parts = ", ".join(f"{package['name']} {package['version']}" for package in packages)
        return f"Node {output(['node', '--version']).strip()}, {parts}"

    def process(self, terms: Terms) -> Process:
        return Process(
            *("node", str(FASTIFY / "server.js")),
            core=terms.core,
            log=terms.folder / "fastify.log",
            env=environment(terms) | {"NODE_ENV": "production", "TUNED": "1" if self.tuned else ""},
        )

    def ready(self, terms: Terms) -> str:
        return f"http://127.0.0.1:{terms.port}/ready"


@dataclass(frozen=True, slots=True)
class FastAPI:
    name: str = "fastapi"
    title: str = "FastAPI + httpx + redis-py"

    def missing(self) -> str | None:
        try:
            self.version()
        except PackageNotFoundError as error:
            return f"pip install 'playgate[bench]': no {error.name}"
        return None

    def version(self) -> str:
        return ", ".join(f"{part} {version(part)}" for part in PYTHON_PARTS)

    def process(self, terms: Terms) -> Process:
        return Process(
            *(sys.executable, "-m", "uvicorn", "--app-dir", str(FASTAPI), "app:app"),
            *("--host", "127.0.0.1", "--port", str(terms.port)),
            *("--loop", "uvloop", "--http", "httptools", "--log-level", "error", "--no-access-log"),
            core=terms.core,
            log=terms.folder / "fastapi.log",
            env=environment(terms),
        )

    def ready(self, terms: Terms) -> str:
        return f"http://127.0.0.1:{terms.port}/ready"


USUAL = Fastify("fastify", "fastify + fast-jwt + ioredis", tuned=False)
NODE_TUNED = Fastify("fastify-tuned", "fastify + undici + ioredis, caches, pipelining", tuned=True)
PYTHON = FastAPI()
