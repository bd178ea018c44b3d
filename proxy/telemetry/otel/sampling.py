"""Which requests are recorded, where anybody may ask for it."""

from collections.abc import Sequence
from random import getrandbits

from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import Attributes

from proxy.trace import TraceContext

STRANGER = contexts.create_key("stranger")


def parent(came: TraceContext | None) -> Context:
    """Give the context that a request's span begins in."""
    if came is None:
        return Context()
    remote = SpanContext(
        int(came.trace_id, 16),
        int(came.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(came.flags),
        trace_state=TraceState.from_header([came.state]),
    )
    context = set_span_in_context(NonRecordingSpan(remote), Context())
    return context if came.trusted else contexts.set_value(STRANGER, "yes", context)


class EdgeSampler(Sampler):
    """A sampler before another, which decides for itself on what strangers ask to be recorded.

    The trace they name goes on. But neither does their flag count nor, where a share of all is
    recorded, the id by which that share is chosen: anybody could have all that they send recorded.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(  # noqa: PLR0917  # OpenTelemetry's
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide on a span that is about to begin."""
        if not contexts.get_value(STRANGER, parent_context):
            return self._sampler.should_sample(
                parent_context, trace_id, name, kind, attributes, links, trace_state
            )
        chance = getrandbits(128)
        own = self._sampler.should_sample(Context(), chance, name, kind, attributes, links)
        state = get_current_span(parent_context).get_span_context().trace_state
        return SamplingResult(own.decision, own.attributes, state)

    def get_description(self) -> str:
        """Name it."""
        return f"EdgeSampler{{{self._sampler.get_description()}}}"
