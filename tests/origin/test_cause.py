"""Why an origin failed, as it is told to operators."""

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientConnectorError
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.errors import OriginError, OriginUnreachable
from proxy.origin.cause import cause
from proxy.origin.client import OriginClient
from proxy.origin.health import FAILURES
from proxy.origin.upstream import Target
from tests.origin.conftest import Serve
from tests.origin.support import Observed, RawOrigin, Talk, always, response, upstream, viewer
from tests.settings.samples import certificate, pem

SECRET = "canary-of-a-ticket"
PLAYLIST = Target(f"/live/{SECRET}.m3u8", f"_sid={SECRET}")


async def told(client: OriginClient, url: str) -> str:
    """Ask an origin in vain; give what is said of it."""
    with pytest.raises(OriginError) as caught:
        await client.fetch(upstream(url, retries=0), PLAYLIST, viewer())
    said = cause(caught.value)
    assert SECRET not in said
    return said


async def test_one_that_refuses(client: OriginClient, refusing: str) -> None:
    assert await told(client, refusing) == "connection refused"


async def test_one_whose_name_there_is_not(client: OriginClient) -> None:
    assert (await told(client, "http://no-such-host.invalid")).startswith("name lookup: ")


async def no_tls(talk: Talk) -> None:
    await talk.reader.read(1)
    await talk.send(response(b"", "400 Bad Request"))


async def test_one_without_tls_that_is_to_have_it(serve: Serve, client: OriginClient) -> None:
    origin = await serve(no_tls)
    said = await told(client, origin.url.replace("http:", "https:"))
    assert said.startswith("TLS: ")
    assert said != "TLS: error"


async def test_one_with_a_certificate_of_its_own(
    nothing_left: None,  # noqa: ARG001  # it looks when the origin has stopped
    client: OriginClient,
    tmp_path: Path,
) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "cert.pem").write_text(certificate(private))
    (tmp_path / "key.pem").write_text(pem(private))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    async with RawOrigin(always(response()), tls=tls) as origin:
        assert await told(client, origin.url) == "certificate: self-signed certificate"


async def hang_up(talk: Talk) -> None:
    await talk.request()


async def reset(talk: Talk) -> None:
    await talk.request()
    talk.reset()


async def test_one_that_hangs_up(serve: Serve, client: OriginClient) -> None:
    origin = await serve(hang_up)
    assert await told(client, origin.url) == "closed the connection without an answer"


async def test_one_that_resets(serve: Serve, client: OriginClient) -> None:
    origin = await serve(reset)
    assert await told(client, origin.url) == "connection reset by peer"


async def test_one_that_speaks_something_else(serve: Serve, client: OriginClient) -> None:
    origin = await serve(always(f"220 {SECRET} SMTP\r\n\r\n".encode(), then_close=True))
    assert await told(client, origin.url) == "The origin's answer is not HTTP."


def test_addresses_that_fail_each_in_its_own_way() -> None:
    both = "Multiple exceptions: [Errno 101] ('::1', 80), [Errno 111] ('127.0.0.1', 80)"
    error = OriginUnreachable()
    error.__cause__ = ClientConnectorError(None, OSError(both))  # type: ignore[arg-type]  # not looked at
    assert cause(error) == both


async def test_what_took_an_origin_down_is_told_with_it(
    client: OriginClient, observed: Observed, refusing: str
) -> None:
    for _ in range(FAILURES + 1):
        with suppress(OriginUnreachable):
            await client.fetch(upstream(refusing, retries=0), PLAYLIST, viewer())
    assert observed.causes == ["connection refused"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (response(b"", "503 Off"), "status 503"),
        (b"220 mail SMTP\r\n\r\n", "The origin's answer is not HTTP."),
    ],
)
async def test_what_another_origin_did_better_is_told_too(
    serve: Serve, client: OriginClient, observed: Observed, answer: bytes, why: str
) -> None:
    weak, strong = await serve(always(answer, then_close=True)), await serve(always(response()))
    for _ in range(2 * FAILURES):
        await client.fetch(upstream(weak.url, strong.url), PLAYLIST, viewer())
    assert observed.causes == [why]
