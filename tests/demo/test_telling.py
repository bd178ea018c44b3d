"""What docs/players.md shows is what the demo's page runs."""

import re

import pytest

from proxy.demo.site import CHECKOUT, PAGE

DOCUMENT = CHECKOUT / "docs" / "players.md"
# A link to the module, the rest of its sentence, and the code.
SHOWN = re.compile(
    r"^\[\S+\]\(\.\./proxy/demo/page/(\S+\.js)\)[^\n]*\n\n```js\n(.*?)```$",
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    return dict(SHOWN.findall(DOCUMENT.read_text()))


def test_every_players_module_is_shown(shown: dict[str, str]) -> None:
    modules = {f"players/{file.name}" for file in (PAGE / "players").iterdir()}
    assert set(shown) == modules | {"refusal.js"}


def test_a_module_is_shown_as_it_runs(shown: dict[str, str]) -> None:
    for name, code in shown.items():
        assert code == (PAGE / name).read_text(), name
