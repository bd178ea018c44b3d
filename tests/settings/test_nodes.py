"""Both of PyYAML's scanners, and one reading."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.nodes import FAST_LOADER, NOT_PLAIN, NotYaml, _compose_slowly

ROOT = Path(__file__).parents[2]
# Of what a text may be plain.
PIECES = [
    *(
        "a",
        "routes",
        "é",
        "\U0001f600",
        "\ue0000\ue000",
        "\xa0",
        "~",
        "1",
        "$",
        "/live/**",
        "http://o:1",
    ),
    *(": ", ":", "- ", "-", ", ", "{", "}", "[", "]", "'", '"', "''", '"x"', "#", " #", "=", " "),
    *("http://o:1", "..", "k: {a: b, c: [d, 'e']}\n", "-- -"),
    *(
        "&a ",
        "&",
        "*a ",
        "*",
        "@",
        "`",
        "<<: *a\n",
        "\\",
        "\\n",
        "\\u0041",
        "\\ud800",
        "\\x",
        "-- -",
    ),
    *(
        "\n",
        "\n ",
        "\n  ",
        "\n    b: c",
        "\n- ",
        "\n- d",
        "k: v\n",
        "k: {a: b, c: [d, 'e']}\n",
        "..",
    ),
]
plain = (
    st.lists(st.sampled_from(PIECES), max_size=18)
    .map("".join)
    .filter(lambda text: not NOT_PLAIN.search(text))
)
pytestmark = pytest.mark.skipif(
    FAST_LOADER is None, reason="PyYAML was built without libyaml: pip install pyyaml, as a wheel"
)


def seen(node: yaml.Node | None, within: frozenset[int] = frozenset()) -> object:
    """Give all of a node that is looked at; an alias of what it stands in, as a word."""
    if node is None or id(node) in within:
        return "itself" if node else None
    place = (type(node), node.tag, node.start_mark.line)
    inner = within | {id(node)}
    match node:
        case yaml.ScalarNode():
            return (*place, node.value, node.style)
        case yaml.SequenceNode():
            return (*place, *(seen(item, inner) for item in node.value))
    return (*place, *((seen(key, inner), seen(value, inner)) for key, value in node.value))


@given(plain)
def test_what_the_fast_one_reads_the_other_reads_the_same(text: str) -> None:
    try:
        fast = FAST_LOADER(text).get_single_node()
    except (yaml.YAMLError, ValueError, OverflowError):
        return
    assert seen(fast) == seen(_compose_slowly(text))


def test_a_plain_configuration_is_read_by_the_fast_one() -> None:
    text = (ROOT / "config/compose/playgate.yaml").read_text()
    plain = "\n".join(line.partition(" #")[0] for line in text.splitlines() if line[:1] != "#")
    assert not NOT_PLAIN.search(plain)
    assert seen(FAST_LOADER(plain).get_single_node()) == seen(_compose_slowly(plain))


@pytest.mark.parametrize("text", ["[" * 100, "[" * 100_000, "{a: " * 100_000, "- " * 100_000])
def test_depth_is_bounded_for_both(text: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError, match=r"nested too deeply|nesting depth"):
        FAST_LOADER(text).get_single_node()
    with pytest.raises(NotYaml, match="nested too deeply"):
        _compose_slowly(text)
