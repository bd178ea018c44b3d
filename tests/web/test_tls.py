import ssl
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec

from tests.settings.samples import certificate, pem
from tests.support.playlists import serve_channels
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
