"""What is taken for a request's id and for a trace, by W3C Trace Context."""

import pytest

from proxy.trace import MAX_STATE, TraceContext, request_id, trace_context

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_a_traceparent_goes_on_as_it_came() -> None:
    context = trace_context([PARENT], ["a=1"])
    assert context == TraceContext(TRACE, SPAN, 1, "a=1")
    assert context.traceparent == PARENT
    assert context.is_sampled
    unsampled = trace_context([f"00-{TRACE}-{SPAN}-00"], [])
    assert unsampled is not None
    assert not unsampled.is_sampled


@pytest.mark.parametrize(
    "parents",
    [
        [],
        [""],
        [PARENT, PARENT],
        [PARENT.upper()],
        [f" {PARENT}"],
        [f"{PARENT}\n"],
        [f"{PARENT}-"],
        [f"{PARENT}-what-a-later-version-may-have"],
        [f"{PARENT}0"],
        [PARENT[:-1]],
        [PARENT[:-3]],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"0-{TRACE}-{SPAN}-01"],
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE[:-1]}-{SPAN}-01"],
        [f"00-{TRACE[:-1]}g-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN}-0x"],
        [f"00-{TRACE[:-1]}٣-{SPAN}-01"],  # a digit, and no hex
        ["eyJhbGciOiJIUzI1NiJ9.e30.canary"],
    ],
)
def test_a_traceparent_that_is_none_takes_the_tracestate_with_it(parents: list[str]) -> None:
    assert trace_context(parents, ["a=1"]) is None


@pytest.mark.parametrize("rest", ["", "-", "-more"])
def test_of_a_later_version_goes_on_what_this_one_knows(rest: str) -> None:
    context = trace_context([f"cc-{TRACE}-{SPAN}-01{rest}"], [])
    assert context is not None
    assert context.traceparent == PARENT


def test_flags_that_mean_nothing_yet_do_not_go_on() -> None:
    context = trace_context([f"00-{TRACE}-{SPAN}-ff"], [])
    assert context is not None
    assert context.traceparent == f"00-{TRACE}-{SPAN}-03"


def state(*lines: str) -> str:
    context = trace_context([PARENT], lines)
    assert context is not None
    return context.state


@pytest.mark.parametrize(
    ("lines", "goes_on"),
    [
        (["congo=t61rcWkgMzE"], "congo=t61rcWkgMzE"),
        (["a=1, b=2", "c=3"], "a=1,b=2,c=3"),
        (["a=1,\t, ,b=2,"], "a=1,b=2"),
        ([""], ""),
        (["0tenant@system=x", "a_-*/=y"], "0tenant@system=x,a_-*/=y"),
        (["a= b"], "a= b"),
        ([",".join(f"k{n}={n}" for n in range(32))], ",".join(f"k{n}={n}" for n in range(32))),
    ],
)
def test_a_tracestate_goes_on_in_one_line(lines: list[str], goes_on: str) -> None:
    assert state(*lines) == goes_on


@pytest.mark.parametrize(
    "line",
    [
        "a=1,b",
        "a=1,=2",
        "A=1",
        "a=",
        "a=x=y",
        "a=1\x00",
        "a=\x7f",
        "a=ü",
        "a =1",
        f"{'k' * 257}=1",
        f"a={'v' * 257}",
        ",".join(f"k{n}={n}" for n in range(33)),
    ],
)
def test_a_tracestate_that_is_none_is_dropped_whole(line: str) -> None:
    assert state(line) == ""


def test_of_a_long_tracestate_the_longest_members_go_first_and_then_the_last() -> None:
    long, short = f"long={'x' * 200}", [f"k{n:02}={'x' * 40}" for n in range(20)]
    assert state(long, *short[:5]) == ",".join((long, *short[:5]))
    assert state(long, *short) == ",".join(short[:11])
    assert len(state(long, *short)) <= MAX_STATE


@pytest.mark.parametrize(
    "text",
    [
        "7b1d6c0e-8f1f-4d0c-9f43-0d5c3f1c2a11",  # Envoy
        "f2a9c1d4e5b6978812345678abcdef01",  # nginx
        "0A00020F:C350_0A000210:1F90_65F1A2B3_0001:0A2C",  # HAProxy's example
        "Root=1-67891233-abcdef012345678912345678",  # AWS
        "a" * 64,
    ],
)
def test_a_request_id_as_proxies_make_it_is_taken(text: str) -> None:
    assert request_id([text]) == text


@pytest.mark.parametrize(
    "ids",
    [
        [],
        [""],
        ["a" * 65],
        ["a", "a"],
        ["a b"],
        ["a\r\nX-Evil: 1"],
        ["a\n"],
        ["\x1b[31m"],
        ['"},{"level":"error"'],
        ["<script>"],
        ["a,b"],
        ["é"],
        ["\udcff"],
    ],
)
def test_a_request_id_that_could_be_more_than_one_is_not_taken(ids: list[str]) -> None:
    assert request_id(ids) is None


def test_no_signed_token_is_short_enough_to_be_a_request_id() -> None:
    least = ".".join(("eyJhbGciOiJIUzI1NiJ9", "e30", "x" * 43))
    assert request_id([least]) is None
