"""Settings of traces."""

from importlib.util import find_spec

import pytest

from proxy.settings.load import ConfigError, from_mapping
from proxy.settings.tracing import NEEDED
from tests.settings.samples import minimal


def test_spans_are_recorded_only_where_it_is_asked_for() -> None:
    assert not from_mapping(minimal()).tracing.enabled
    assert from_mapping(minimal(tracing={"enabled": True})).tracing.enabled


@pytest.mark.parametrize("missing", NEEDED)
def test_spans_need_their_extra(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(
        "proxy.settings.tracing.find_spec",
        lambda name: None if name == missing else find_spec(name),
    )
    with pytest.raises(ConfigError) as caught:
        from_mapping(minimal(tracing={"enabled": True}))
    assert [str(problem) for problem in caught.value.problems] == [
        "configuration: tracing.enabled: needs what is not installed: pip install 'playgate[otel]'"
    ]
    assert not from_mapping(minimal(tracing={"enabled": False})).tracing.enabled


def test_nothing_of_opentelemetry_at_all_is_as_missing_as_a_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("proxy.settings.tracing.find_spec", nothing)
    with pytest.raises(ConfigError):
        from_mapping(minimal(tracing={"enabled": True}))
