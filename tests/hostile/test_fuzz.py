"""The entry points of fuzzing, with what they begin with and what hypothesis makes of that."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.targets import TARGETS, corpus
from tests.conftest import Tell

SEEDS = {name: [file.read_bytes() for file in corpus(name)] for name in TARGETS}
SCRAPS = st.binary(max_size=8) | st.sampled_from(
    [b"\n", b'"', b"%", b"\xed\xa0\x80", b"\x00", b"<", b"{", b"[", b"..", b"_sid=", b"9" * 400]
)


@st.composite
def mutants(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """One of the corpus, in which stretches were cut out, moved, doubled or replaced by scraps."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        other = draw(st.sampled_from(seeds))
        filler = draw(st.one_of(SCRAPS, st.just(data[start:end] * 2), st.just(other[start:end])))
        data = data[:start] + filler + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_before_is_read_or_refused(name: str, tell: Tell) -> None:
    files: list[Path] = list(corpus(name))
    assert files
    for file in files:
        TARGETS[name](file.read_bytes())
    tell(f"fuzzing, {name}: {len(files)} of the corpus and 50 of hypothesis; findings 0")


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_made_of_it_is_read_or_refused(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(mutants(SEEDS[name])))
