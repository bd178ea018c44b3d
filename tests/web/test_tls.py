import asyncio
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from proxy import serve
from tests.settings.samples import certificate, pem
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.stack import Stack


async def test_the_players_port_speaks_tls_and_says_so_to_the_origin(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    private = ec.generate_private_key(ec.SECP256R1())
    cert.write_text(certificate(private))
    key.write_text(pem(private))
    async with Stack(listen={"tls": {"cert": str(cert), "key": str(key)}}) as stack:
        serve_channels(stack.origin, "one")
        url = f"https://127.0.0.1:{stack.service.port}/live/one/master.m3u8"
        trust = ssl.create_default_context(cafile=str(cert))
        trust.check_hostname = False  # the certificate is for another name
        async with aiohttp.request(
            "GET", url, params={"token": stack.token()}, ssl=trust
        ) as response:
            assert response.status == 200
        assert stack.origin.requests[0].headers["X-Forwarded-Proto"] == "https"


async def test_a_long_body_comes_over_tls_and_nobody_is_taken_for_one_who_does_not_read(
    tmp_path: Path,
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    private = ec.generate_private_key(ec.SECP256R1())
    cert.write_text(certificate(private))
    key.write_text(pem(private))
    body = bytes(8 << 20)
    async with Stack(listen={"tls": {"cert": str(cert), "key": str(key)}}) as stack:
        stack.origin.answers["/open/long.ts"] = ("video/mp2t", body)
        trust = ssl.create_default_context(cafile=str(cert))
        trust.check_hostname = False  # the certificate is for another name
        async with aiohttp.ClientSession() as client:
            url = f"https://127.0.0.1:{stack.service.port}/open/long.ts"
            for _ in range(2):
                async with client.get(url, ssl=trust) as response:
                    assert await response.read() == body
            (connection,) = stack.service._server.connections
            assert not connection.writing_paused


async def test_a_drain_leaves_time_for_who_has_not_shaken_hands_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who had connected is no connection before that, and would find the port gone."""
    monkeypatch.setattr(serve, "LATE_SECONDS", 3_600)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    private = ec.generate_private_key(ec.SECP256R1())
    cert.write_text(certificate(private))
    key.write_text(pem(private))
    events, close = [], web.ServerRunner.cleanup

    async def closed(runner: web.ServerRunner) -> None:
        events.append("closed")
        await close(runner)

    monkeypatch.setattr(web.ServerRunner, "cleanup", closed)
    listen = {"tls": {"cert": str(cert), "key": str(key)}, "drain_timeout": "1h"}
    async with Stack(listen=listen) as stack:
        trust = ssl.create_default_context(cafile=str(cert))
        trust.check_hostname = False  # the certificate is for another name

        async def drains() -> bool:
            return stack.service._server._draining

        with socket.create_connection(("127.0.0.1", stack.service.port)) as connected:

            def ask() -> bytes:
                with trust.wrap_socket(connected) as shaken:
                    shaken.sendall(b"GET /live/one/master.m3u8 HTTP/1.1\r\nHost: tv\r\n\r\n")
                    return shaken.recv(12)

            stop = asyncio.create_task(stack.service.stop())
            await until(drains, "it drains")
            answer = await asyncio.to_thread(ask)
            events.append("answered")
            stack.service.hurry()
            await stop
    assert answer == b"HTTP/1.1 401"
    assert events[:2] == ["answered", "closed"]
