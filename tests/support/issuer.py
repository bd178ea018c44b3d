"""An issuer of tokens: keys that rotate, and a server that publishes them as a key set."""

import asyncio
import json
import ssl
import time
from types import TracebackType
from typing import Any, Self

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from tests.support.redis_server import free_port

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)


def jwk_of(key: PrivateKey, algorithm: str, **members: Any) -> dict[str, Any]:
    """The public half of a key as a JWK; a member that is None is left out."""
    public = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    jwk = {**public, "key_ops": None, "alg": algorithm, "use": "sig", **members}
    return {name: value for name, value in jwk.items() if value is not None}


class SigningKey:
    """A key the issuer signs with."""

    def __init__(
        self, kid: str | None, algorithm: str = "ES256", key: PrivateKey | None = None
    ) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.key = key or ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self) -> dict[str, Any]:
        return jwk_of(self.key, self.algorithm, kid=self.kid)

    def token(self, account: str = "alice", **claims: Any) -> str:
        payload = {"sub": account, "exp": int(time.time()) + 3600, **claims}
        headers = {} if self.kid is None else {"kid": self.kid}
        return jwt.encode(payload, self.key, algorithm=self.algorithm, headers=headers)


def document(*keys: SigningKey) -> bytes:
    """A key set of these keys."""
    return json.dumps({"keys": [key.jwk for key in keys]}).encode()


class KeyServer:
    """Publishes ``content`` at ``/jwks.json`` of a port of its own, and counts who asks.

    ``status`` and ``headers`` go with it. What is asked for while there is a ``gate`` is answered
    once that is open.
    """

    def __init__(self, content: bytes = b"", tls: ssl.SSLContext | None = None) -> None:
        self.content = content
        self.status = 200
        self.headers: dict[str, str] = {}
        self._tls = tls
        self.requests: list[web.BaseRequest] = []
        self.gate: asyncio.Event | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        if self.gate is not None:
            await self.gate.wait()
        if request.path != "/jwks.json":
            return web.Response(status=404)
        tag = self.headers.get("ETag")
        if tag is not None and request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=self.headers)
        return web.Response(body=self.content, status=self.status, headers=self.headers)

    async def start(self) -> None:
        """Listen, on the same port whenever it does."""
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None))
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=self._tls
        )
        await site.start()

    async def stop(self) -> None:
        """Be away."""
        await self._runner.cleanup()

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
