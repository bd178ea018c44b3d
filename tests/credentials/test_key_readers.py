import asyncio
import gzip
import os
import ssl
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.credentials.key_readers import MAX_SIZE, FileReader, UrlReader, digest
from proxy.credentials.key_source import KeysUnavailable
from tests.settings.samples import certificate, pem
from tests.support.issuer import KeyServer
from tests.support.redis_server import free_port


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with KeyServer(b"content") as running:
        yield running


async def failure(reader: UrlReader | FileReader, version: str | None = None) -> str:
    with pytest.raises(KeysUnavailable) as caught:
        await reader.read(version)
    return str(caught.value)


async def test_a_document_comes_with_its_tag_and_its_age(server: KeyServer) -> None:
    server.headers = {"ETag": '"one"', "Cache-Control": "public, max-age=90", "Age": "30"}
    read = await UrlReader(server.url).read(None)
    assert (read.content, read.version, read.max_age) == (b"content", '"one"', 60)


async def test_what_is_the_same_is_not_sent_again(server: KeyServer) -> None:
    server.headers = {"ETag": '"one"', "Cache-Control": "max-age=7"}
    read = await UrlReader(server.url).read('"one"')
    assert (read.content, read.version, read.max_age) == (None, '"one"', 7)


@pytest.mark.parametrize(
    ("header", "max_age"),
    [
        ("", None),
        ("no-store", None),
        ("s-maxage=5", None),
        ("x-max-age=5", None),
        ("max-age=soon", None),
        ("max-age=-5", None),
        ("Max-Age=5", 5),
        ('private,max-age="5"', 5),
        ("max-age=0, must-revalidate", 0),
    ],
)
async def test_only_max_age_says_how_long_a_set_is_good(
    server: KeyServer, header: str, max_age: float | None
) -> None:
    server.headers = {"Cache-Control": header, "Age": "nonsense"}
    assert (await UrlReader(server.url).read(None)).max_age == max_age


async def test_a_compressed_document_is_read(server: KeyServer) -> None:
    server.content, server.headers = gzip.compress(b"content"), {"Content-Encoding": "gzip"}
    assert (await UrlReader(server.url).read(None)).content == b"content"


@pytest.mark.parametrize("status", [204, 304, 401, 404, 500, 503])
async def test_another_status_is_no_document(server: KeyServer, status: int) -> None:
    server.status = status
    assert await failure(UrlReader(server.url)) == f"the answer has status {status}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(server: KeyServer, status: int) -> None:
    server.status, server.headers = status, {"Location": "/elsewhere"}
    assert await failure(UrlReader(server.url)) == f"the answer has status {status}"
    assert len(server.requests) == 1


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_document_too_large_is_given_up(server: KeyServer, encoding: str) -> None:
    server.content = b" " * (40 * MAX_SIZE)
    if encoding == "gzip":
        server.content, server.headers = (
            gzip.compress(server.content),
            {"Content-Encoding": encoding},
        )
    assert await failure(UrlReader(server.url)) == f"the document has more than {MAX_SIZE} bytes"


async def test_a_document_that_is_damaged_or_cut_short_is_a_failure(server: KeyServer) -> None:
    server.headers = {"Content-Encoding": "gzip"}
    assert (await failure(UrlReader(server.url))).startswith("no good answer")


async def test_a_server_that_is_away_is_a_failure_that_does_not_repeat_the_url() -> None:
    reason = await failure(UrlReader(f"http://127.0.0.1:{free_port()}/jwks?key=canary"))
    assert reason.startswith("no connection")
    assert "canary" not in reason


async def test_a_server_that_speaks_no_http_is_a_failure() -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await failure(UrlReader(f"http://127.0.0.1:{port}/"))
        assert await failure(UrlReader(f"https://127.0.0.1:{port}/"))


async def test_a_server_whose_certificate_nobody_vouches_for_is_a_failure(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key.pem").write_text(pem(key))
    (tmp_path / "cert.pem").write_text(certificate(key))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    async with KeyServer(b"content", tls=tls) as server:
        url = server.url.replace("http://", "https://")
        assert await failure(UrlReader(url)) == "its certificate is not one we trust"
        assert server.requests == []


async def test_no_cookie_is_kept_and_nothing_of_the_environment_used(
    server: KeyServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login canary password canary\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.headers = {"Set-Cookie": "a=b"}
    reader = UrlReader(server.url)
    await reader.read(None)
    await reader.read(None)
    for request in server.requests:
        assert isinstance(request, web.BaseRequest)
        assert not {"Cookie", "Authorization"} & set(request.headers)


async def test_a_file_is_read_when_it_is_another(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(b"one")
    reader = FileReader(path)
    first = await reader.read(None)
    assert (first.content, first.version) == (b"one", digest(b"one"))
    assert (await reader.read(first.version)).content is None
    path.write_bytes(b"two")
    assert (await reader.read(first.version)).content == b"two"


async def test_a_file_that_is_gone_or_too_large_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    assert await failure(FileReader(path)) == "the file cannot be read: No such file or directory"
    path.write_bytes(b" " * (MAX_SIZE + 1))
    assert await failure(FileReader(path)) == f"the file has more than {MAX_SIZE} bytes"


async def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "keys.json"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        assert await failure(FileReader(path)) == "the file is no regular file"


class Hanging(FileReader):
    """Storage that does not answer until it is let; counts how often it was asked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.answers = threading.Event()
        self.asked = 0

    def _content(self) -> bytes:
        self.asked += 1
        self.answers.wait()
        return super()._content()


async def test_while_one_read_hangs_no_other_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    reader = Hanging(path)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await reader.read(None)
    waiting = asyncio.create_task(reader.read(None))
    await asyncio.sleep(0)  # it waits, too, before there is an answer
    path.write_bytes(b"one")
    reader.answers.set()
    assert (await waiting).content == b"one"
    assert reader.asked == 1
    path.write_bytes(b"two")
    assert (await reader.read(None)).content == b"two"


HANGS = """
import asyncio, threading
from pathlib import Path
from proxy.credentials.key_readers import FileReader

class Hanging(FileReader):
    def _content(self):
        threading.Event().wait()

async def main():
    async with asyncio.timeout(0.01):
        await Hanging(Path("keys.json")).read(None)

try:
    asyncio.run(main())
except TimeoutError:
    print("done")
"""


async def test_a_read_that_hangs_does_not_keep_the_process() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HANGS), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(120):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, output) == (0, b"done\n")
