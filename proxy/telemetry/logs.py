"""Structured logs, with nothing in them that opens anything.

Every event of a request has its id (``with_request``), and its trace's where it is part of one.
Every event passes through ``Redactor``: query strings lose the values of the parameters that carry
credentials, and anything shaped like a JSON Web Token is cut out wherever it stands, so that a
careless log line (ours, or a library's traceback) cannot leak one. Accounts appear only as the
keyed hash the rest of the system knows them by.
"""

import logging
import re
import sys
from collections.abc import Collection, MutableMapping
from typing import Any, Literal

import structlog
from structlog.typing import Processor

from proxy.telemetry.notes import CURRENT

# Three base64url parts (RFC 7515 §3.1), the first of which begins like every JSON object does.
JWT = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*")
AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic)\s+[^\s'\",;]+")
REDACTED = "[redacted]"


def configure(form: Literal["json", "text"], level: str, private_params: Collection[str]) -> None:
    """Set up logging for the process: ours by structlog, libraries' by the same processors."""
    shared: list[Processor] = [
        with_request,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redactor(private_params),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        # Python has no stderr where the process was started with a closed one.
        else structlog.dev.ConsoleRenderer(colors=sys.stderr is not None and sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    # A handler that fails would print the bare message, secrets and all, beside its traceback.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_number(level))


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def with_request(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add what the request is known by that the event happened to; a structlog processor."""
    trace = CURRENT.get()
    if trace is not None:
        event["request_id"] = trace.request_id
        if trace.context is not None:
            event["trace_id"] = trace.context.trace_id
    return event


class Redactor:
    """A structlog processor that takes secrets out of every value of an event."""

    def __init__(self, private_params: Collection[str]) -> None:
        names = "|".join(re.escape(name) for name in sorted(private_params))
        self._params = re.compile(rf"(?<![\w-])({names})=[^&\s\"'#]*")

    def __call__(
        self, _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Redact each value of the event, however deep it lies."""
        for key, value in event.items():
            # structlog's own bookkeeping holds objects that must stay what they are.
            if not key.startswith("_"):
                event[key] = self._clean(value)
        return event

    def _clean(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case bytes():
                return self.text(value.decode("utf-8", "replace"))
            case dict():
                return {self._clean(key): self._clean(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._clean(item) for item in value]
            case bool() | int() | float() | None:
                return value
        return self.text(str(value))

    def text(self, text: str) -> str:
        """Take secrets out of a text."""
        text = self._params.sub(rf"\1={REDACTED}", text)
        text = AUTHORIZATION.sub(rf"\1 {REDACTED}", text)
        return JWT.sub(REDACTED, text)
