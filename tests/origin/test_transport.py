import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.client_proto import ResponseHandler
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.errors import OriginUnreachable
from proxy.origin.client import OriginClient
from proxy.origin.exchange import Result
from proxy.origin.upstream import Target
from tests.origin.conftest import Serve
from tests.origin.support import (
    PLAYLIST,
    Observed,
    RawOrigin,
    Talk,
    always,
    response,
    until,
    upstream,
    viewer,
)


async def test_connections_are_kept(serve: Serve, client: OriginClient) -> None:
    origin = await serve(always(response(b"ok")))
    for _ in range(3):
        await client.fetch(upstream(origin.url), PLAYLIST, viewer())
    assert origin.connections == 1


async def test_a_kept_connection_that_died_costs_no_viewer_an_answer(
    serve: Serve, client: OriginClient, observed: Observed
) -> None:
    async def once_per_connection(talk: Talk) -> None:
        await talk.request()
        await talk.send(response(b"ok"))
        await talk.request()  # and hangs up without a word

    origin = await serve(once_per_connection)
    for _ in range(2):
        fetched = await client.fetch(upstream(origin.url), PLAYLIST, viewer())
        assert fetched.body == b"ok"
    assert observed.results == [Result.OK, Result.ERROR, Result.OK]


async def test_the_second_attempt_meets_no_other_dead_connection_of_the_pool(
    serve: Serve, client: OriginClient
) -> None:
    together = asyncio.Barrier(2)

    async def once_per_connection(talk: Talk) -> None:
        await talk.request()
        if talk.number <= 2:
            await together.wait()  # so that two connections are in the pool afterwards
        await talk.send(response(b"ok"))
        await talk.request()
        talk.reset()

    origin = await serve(once_per_connection)
    route = upstream(origin.url)
    await asyncio.gather(*(client.fetch(route, PLAYLIST, viewer()) for _ in range(2)))
    assert origin.connections == 2
    fetched = await client.fetch(route, PLAYLIST, viewer())
    assert fetched.body == b"ok"
    assert origin.connections == 3


@pytest.mark.parametrize("surplus", [response(b"another viewer's"), b"\x00garbage"])
async def test_what_an_origin_sends_unasked_is_nobodys_answer(
    serve: Serve, client: OriginClient, surplus: bytes
) -> None:
    sent = asyncio.Event()

    async def behave(talk: Talk) -> None:
        first = await talk.request()
        await talk.send(response(first.line.encode()))
        await sent.wait()
        if talk.number == 1:
            await talk.send(surplus)
        await talk.gone()

    origin = await serve(behave)
    route = upstream(origin.url)
    await client.fetch(route, Target("/1"), viewer())
    sent.set()
    await until(lambda: any(connection.should_close for connection in kept(client)))
    fetched = await client.fetch(route, Target("/2"), viewer())
    assert fetched.body == b"GET /2 HTTP/1.1"


def kept(client: OriginClient) -> list[ResponseHandler]:
    """Give the connections that are kept for the next request."""
    session = client._transport._pooled
    assert session is not None
    assert session.connector is not None
    return [protocol for pool in session.connector._conns.values() for protocol, _ in pool]


async def test_a_body_longer_than_declared_is_never_taken_for_the_next_answer(
    serve: Serve, client: OriginClient
) -> None:
    origin = await serve(always(response(b"ok") + response(b"surplus")))
    for _ in range(4):
        fetched = await client.fetch(upstream(origin.url), PLAYLIST, viewer())
        assert fetched.body == b"ok"
    assert origin.connections == 4


async def test_cookies_of_an_answer_are_not_kept(serve: Serve, client: OriginClient) -> None:
    origin = await serve(always(response(b"", "200 OK", "Set-Cookie: a=b; Path=/")))
    by_name = upstream(f"http://localhost:{origin.port}")  # an address would not get cookies
    for _ in range(2):
        await client.fetch(by_name, PLAYLIST, viewer())
    assert not origin.requests[1].all("Cookie")


async def test_proxies_of_the_environment_are_not_used(
    serve: Serve, client: OriginClient, refusing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", refusing)
    origin = await serve(always(response(b"ok")))
    assert (await client.fetch(upstream(origin.url), PLAYLIST, viewer())).body == b"ok"


async def test_an_origin_with_a_certificate_nobody_vouches_for_is_unreachable(
    client: OriginClient, observed: Observed, tmp_path: Path
) -> None:
    async def behave(talk: Talk) -> None:
        await talk.gone()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    async with RawOrigin(behave, tls=context) as origin:
        with pytest.raises(OriginUnreachable):
            await client.fetch(upstream(origin.url), PLAYLIST, viewer())
        assert not origin.requests
    assert set(observed.results) == {Result.ERROR}


def self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "origin")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "origin.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return pem


async def test_connections_that_are_kept_end_with_the_client(
    serve: Serve, client: OriginClient
) -> None:
    origin = await serve(always(response()))
    await client.fetch(upstream(origin.url), PLAYLIST, viewer())
    assert origin.tasks
    await client.close()
    await until(lambda: not origin.tasks)
