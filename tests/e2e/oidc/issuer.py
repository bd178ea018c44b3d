"""Runs the OpenID provider of ``provider.mjs``, and keeps its keys."""

import asyncio
import json
import signal
from base64 import b64encode
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.needs import node_module, program
from tests.support.redis_server import free_port

SCRIPT = Path(__file__).with_name("provider.mjs")
AUDIENCE = "https://video.example"
PLAN_CLAIM = "https://video.example/plan"


def new_key(kid: str, algorithm: str = "ES256") -> dict[str, Any]:
    """Make a key pair, as a private JWK."""
    if algorithm == "ES256":
        jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        jwk = RSAAlgorithm.to_jwk(private, as_dict=True)
        del jwk["key_ops"]
    return {**jwk, "kid": kid, "alg": algorithm, "use": "sig"}


class OpenIdProvider:
    """The server's process. What it publishes is told to it, and outlives it."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = keys
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, on the port it always had."""
        node_module("oidc-provider/package.json")
        node = program("node", "nodejs", install="apt install nodejs")
        self.process = await asyncio.create_subprocess_exec(
            *(node, str(SCRIPT), str(self.port)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await self.publish(*self.keys)

    async def publish(self, *keys: dict[str, Any]) -> None:
        """Publish these keys and no others, and sign with the first."""
        assert self.process
        assert self.process.stdin
        assert self.process.stdout
        self.keys = keys
        self.process.stdin.write(json.dumps(keys).encode() + b"\n")
        await self.process.stdin.drain()
        assert await self.process.stdout.readline() == f"{self.url}\n".encode()

    async def hang(self) -> None:
        """Go on taking connections, and answer none."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    async def stop(self) -> None:
        """End the process; harmless where there is none."""
        if self.process:
            self.process.kill()
            await self.process.communicate()
            self.process = None

    async def discovered(self) -> dict[str, Any]:
        """Give what it says of itself (OpenID Connect Discovery 1.0, section 4)."""
        url = f"{self.url}/.well-known/openid-configuration"
        async with aiohttp.request("GET", url) as answer:
            return dict(await answer.json())

    async def token(self, viewer: str) -> str:
        """Ask for an access token, as the viewer's client does."""
        endpoint = (await self.discovered())["token_endpoint"]
        who = b64encode(f"{viewer}:secret+of+{viewer}".encode()).decode()
        form = {"grant_type": "client_credentials", "scope": "watch"}
        headers = {"Authorization": f"Basic {who}"}
        async with aiohttp.request("POST", endpoint, data=form, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return str((await answer.json())["access_token"])

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
