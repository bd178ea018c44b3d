"""Where spans go, by the environment variables that OpenTelemetry has for it (``OTEL_*``).

They wait in a queue of bounded length, which drops the oldest, and a thread of their own sends
them.
"""

from collections.abc import Callable
from os import environ

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from proxy.telemetry.otel.recorder import Recorder

EXPORTER, PROTOCOL = "otlp", "http/protobuf"
# What says how spans are to be sent, and the one way there is here.
SENDING = {
    "OTEL_TRACES_EXPORTER": EXPORTER,
    "OTEL_EXPORTER_OTLP_PROTOCOL": PROTOCOL,
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": PROTOCOL,
}


def recorder(redact: Callable[[str], str]) -> Recorder | None:
    """Give what records as the environment says; None where that says not to.

    ``redact`` takes secrets out of a path.

    Raises:
        ValueError: a variable says what cannot be done.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if environ.get("OTEL_TRACES_EXPORTER", "").strip() == "none":
        return None
    for name, way in SENDING.items():
        if environ.get(name, "").strip() not in ("", way):
            raise ValueError(f"{name}: can be {way} only")
    return Recorder(BatchSpanProcessor(OTLPSpanExporter()), redact)
