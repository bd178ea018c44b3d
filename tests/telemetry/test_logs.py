import json
import logging
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any, Literal

import pytest
import structlog

from proxy.telemetry.events import Event, EventType
from proxy.telemetry.logs import Redactor, configure
from proxy.telemetry.notes import CURRENT
from proxy.telemetry.sinks import LogSink
from proxy.trace import Trace
from tests.support.playlists import serve_channels
from tests.support.stack import ADMIN_TOKEN, JWT_SECRET, TICKET_SECRET, Stack


@pytest.fixture
def restored() -> Iterator[None]:
    """Log as pytest set it up, afterwards."""
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before
    structlog.reset_defaults()


@pytest.fixture
def logged(restored: None, monkeypatch: pytest.MonkeyPatch) -> StringIO:  # noqa: ARG001  # undoes it
    """Log as a running proxy does, to where a test can read it."""
    written = StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", written)
        configure("json", "debug", {"token", "_sid", "session"})
    return written


@pytest.mark.parametrize(
    "text",
    [
        "GET /live/x.m3u8?token=canary&a=1",
        "https://h/x?a=1&_sid=canary.canary#t",
        "Cookie: theme=dark; session=canary",
        "Authorization: Bearer canary",
        "authorization: basic canary",
        "a token eyJcanary.eyJcanary.canary in passing",
        "half of one eyJcanary.eyJcanary",
    ],
)
def test_a_secret_in_a_text_is_cut_out(text: str) -> None:
    clean = Redactor({"token", "_sid", "session"}).text(text)
    assert "canary" not in clean
    assert "[redacted]" in clean


def test_what_is_no_secret_stays() -> None:
    text = "GET /live/x.m3u8?broken=1&mytoken=2 took 3 ms"
    assert Redactor({"token", "_sid"}).text(text) == text


def test_secrets_are_cut_out_however_deep_they_lie() -> None:
    event = Redactor({"token"})(
        None, "info", {"event": "x", "a": [{"b": b"token=canary"}], "c": ValueError("token=canary")}
    )
    assert "canary" not in repr(event)


def test_a_librarys_traceback_is_redacted_too(logged: StringIO) -> None:
    failure = RuntimeError("GET /x?token=canary")
    logging.getLogger("library").error("failed with eyJcanary.eyJcanary.canary", exc_info=failure)
    assert "canary" not in logged.getvalue()
    assert json.loads(logged.getvalue().splitlines()[-1])["level"] == "error"


async def test_a_running_proxy_logs_neither_secret_nor_account(logged: StringIO) -> None:
    account = "alice-canary"
    async with Stack(limits={"default": 1}) as stack:
        serve_channels(stack.origin, "one", "two")
        token = stack.token(account)
        entry = await stack.ask(f"/live/one/master.m3u8?token={token}")
        ticket = entry.ticket()
        await stack.ask(f"/live/two/master.m3u8?token={token}")
        await stack.ask(f"/live/two/master.m3u8?_sid={ticket}")
        await stack.ask("/live/one/master.m3u8?token=canary-of-a-bad-token")
        await stack.ask("/nowhere", Authorization=f"Bearer {token}", Cookie=f"session={token}")
        await stack.operate(f"/admin/v1/accounts/{account}/streams")
        await stack.operate("/admin/v1/accounts/x/streams", token="canary-of-a-wrong-token")
        stack.origin.answers["/live/one/master.m3u8"] = ("text/html", "no manifest")
        await stack.ask(f"/live/one/master.m3u8?token={token}")
    written = logged.getvalue()
    assert '"code": "stream_limit"' in written
    assert '"code": "origin_invalid"' in written
    signature, seal = token.rpartition(".")[2], ticket.partition(".")[0]
    for secret in ("canary", signature, seal, JWT_SECRET, TICKET_SECRET, ADMIN_TOKEN):
        assert secret not in written


def entries(logged: StringIO, event: str) -> list[dict[str, Any]]:
    """Give the entries of that event, and forget all there are."""
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    logged.seek(0)
    logged.truncate()
    return [line for line in lines if line["event"] == event]


async def test_whatever_is_logged_of_a_request_has_its_id(logged: StringIO) -> None:
    async with Stack(listen={"trusted_proxies": ["127.0.0.1"]}) as stack:
        (listening,) = entries(logged, "listening")
        assert "request_id" not in listening
        answer = await stack.ask("/nowhere")
        (refused,) = entries(logged, "refused")
        assert refused["request_id"] == answer.headers["X-Request-Id"]
        assert "trace_id" not in refused
        # Nothing is left of a request on the connection that the next one comes by.
        async with stack.client.get("/nowhere", headers={"X-Request-Id": "one"}):
            pass
        trace = "0af7651916cd43dd8448eb211c80319c"
        headers = {"X-Request-Id": "two", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
        async with stack.client.get("/nowhere", headers=headers):
            pass
        one, two = entries(logged, "refused")
        assert (one["request_id"], one.get("trace_id")) == ("one", None)
        assert (two["request_id"], two["trace_id"]) == ("two", trace)
    (draining,) = entries(logged, "draining")
    assert "request_id" not in draining


async def test_a_bug_is_logged_with_the_id_of_its_request(
    logged: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Stack() as stack:
        monkeypatch.setattr("proxy.web.server.is_loop", lambda _: 1 / 0)
        answer = await stack.ask("/live/x")
    assert answer.code == "internal_error"
    (failed,) = entries(logged, "a request failed")
    assert failed["request_id"] == answer.headers["X-Request-Id"]


async def test_what_libraries_log_of_a_request_has_its_id_too(logged: StringIO) -> None:
    before = CURRENT.set(Trace("mine"))
    try:
        logging.getLogger("library").warning("hm")
    finally:
        CURRENT.reset(before)
    (said,) = entries(logged, "hm")
    assert said["request_id"] == "mine"


def test_a_log_that_cannot_be_written_does_not_print_what_it_held(
    logged: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    logged.close()
    logging.getLogger("library").error("failed with token=canary")
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("form", ["json", "text"])
def test_a_process_without_stderr_logs_nothing_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, form: Literal["json", "text"]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", None)
        configure(form, "info", {"token"})
        structlog.get_logger("playgate").warning("nobody reads this")


def test_an_event_of_a_stream_is_one_entry(logged: StringIO) -> None:
    event = Event(
        EventType.ENDED,
        "2026-01-01T00:00:00.000Z",
        content="tv.example/a?token=canary",
        reason="lapsed",
        seconds=1.5,
    )
    LogSink().put(event)
    written = json.loads(logged.getvalue())
    assert written.pop("timestamp")
    assert written == {
        "event": "stream.ended",
        "ts": "2026-01-01T00:00:00.000Z",
        "content": "tv.example/a?token=[redacted]",
        "reason": "lapsed",
        "seconds": 1.5,
        "level": "info",
        "logger": "playgate.events",
    }
