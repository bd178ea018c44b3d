"""Configuration files in a folder of the test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.settings.load import ConfigError, load
from proxy.settings.schema import Settings

Loader = Callable[..., Settings]


@pytest.fixture
def load_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    """Load a configuration from its text, as the file ``c.yaml`` of the working directory."""
    monkeypatch.chdir(tmp_path)

    def loader(text: str, **environ: str) -> Settings:
        path = Path("c.yaml")
        path.write_text(text, encoding="utf-8")
        return load(path, environ)

    return loader


@pytest.fixture
def errors_of(load_text: Loader) -> Callable[..., list[str]]:
    """Load a configuration that is wrong and give its errors as they are printed."""

    def errors(text: str, **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load_text(text, **environ)
        return str(caught.value).splitlines()

    return errors
