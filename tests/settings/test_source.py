import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.environment import Shield, expand
from proxy.settings.source import Source, read_source


def values(text: str, **environ: str) -> object:
    source = read_source(text, environ)
    assert not source.faults
    return source.value


def faults(text: str, **environ: str) -> list[str]:
    source = read_source(text, environ)
    return [
        f"{fault.line} {'.'.join(map(str, fault.at))}: {fault.message}" for fault in source.faults
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1", 1), ("-7", -7), ("0", 0), ("1.5", 1.5), ("true", True), ("False", False)),
        *(("", None), ("~", None), ("null", None), ("'null'", "null"), ('"1"', "1"), ("''", "")),
        # What YAML 1.1 takes for something else, and 1.2 with everybody's eyes for a text.
        *(("on", "on"), ("no", "no"), ("12:30", "12:30"), ("2024-01-01", "2024-01-01")),
        *(("010", "010"), ("0x1f", "0x1f"), ("1_000", "1_000"), ("1e3", "1e3"), (".inf", ".inf")),
        *(("9" * 19, "9" * 19), ("!!str 5", "5"), ("!!int '5'", 5), ("|\n  a\n  b\n", "a\nb\n")),
    ],
)
def test_plain_forms_are_those_of_the_core_schema(text: str, value: object) -> None:
    read = values(f"a: {text}")
    assert read == {"a": value}
    assert isinstance(read, dict)
    assert type(read["a"]) is type(value)


# Keys are neither merged nor expanded.
KEYS = st.text(max_size=5).filter(lambda key: key != "<<" and "${" not in key)
PLAIN = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(-(10**17), 10**17)),
        *(st.text(), st.text("0123456789.eE+-_:xon~ul!&*%@`#{}[],'\"", max_size=6)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from("abc"), PLAIN, min_size=1))
def test_what_pyyaml_writes_is_read_as_it_was(data: dict[str, object]) -> None:
    text = yaml.safe_dump(data, sort_keys=False)
    if "\\ue000" in text.lower():
        return
    assert values(text.replace("${", "$${")) == data


def test_lines_are_those_of_keys_and_items() -> None:
    text = "# comment\na: 1\nb:\n  - x\n  -\n    c: {d: 1,\n      e: 2}\n"
    source = read_source(text, {})
    assert source.lines == {
        (): 2,
        ("a",): 2,
        ("b",): 3,
        ("b", 0): 4,
        ("b", 1): 6,
        ("b", 1, "c"): 6,
        ("b", 1, "c", "d"): 6,
        ("b", 1, "c", "e"): 7,
    }


def test_what_is_missing_is_looked_for_where_it_is_missing_from() -> None:
    source = read_source("a:\n  b: 1\n", {})
    assert source.line(("a", "x", "y")) == 1
    assert source.line(("a", "b", "y")) == 2
    assert Source().line(("a",)) == 1


def test_aliases_and_merges_are_followed() -> None:
    text = """\
base: &base {a: 1, b: 1}
more: &more {b: 2, c: 2}
all:
  <<: [*base, *more]
  a: 3
again: *base
"""
    source = read_source(text, {})
    assert not source.faults
    assert source.value == {
        "base": {"a": 1, "b": 1},
        "more": {"b": 2, "c": 2},
        "all": {"a": 3, "b": 1, "c": 2},
        "again": {"a": 1, "b": 1},
    }
    assert source.line(("all", "b")) == 1
    assert source.line(("all", "a")) == 5


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: &a {<<: *a}",
        "a: &a\n  <<: [*a, *a]\n",
        "x0: &x0 [1,1,1,1,1,1,1,1,1,1]\n"
        + "\n".join(f"x{n}: &x{n} [{','.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 10)),
        "x0: &x0 {a: 1}\n"
        + "\n".join(f"x{n}: &x{n} {{<<: [{','.join([f'*x{n - 1}'] * 10)}]}}" for n in range(1, 10)),
    ],
)
def test_aliases_cannot_multiply_without_bound(text: str) -> None:
    (fault,) = faults(text)
    assert fault.endswith("is more than any configuration holds, aliases followed")


@pytest.mark.parametrize("text", ["a: " + "[" * 20_000, "a: " + "{a: " * 5_000, "- " * 20_000])
def test_nesting_cannot_go_on_without_bound(text: str) -> None:
    (fault,) = faults(text)
    assert fault.endswith("nested too deeply")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "a: 1\na: 2\na: 3",
            ["2 a: is given twice; first on line 1"] * 0
            + ["2 a: is given twice; first on line 1", "3 a: is given twice; first on line 1"],
        ),
        ("? [a]\n: 1", ["1 : a key must be a plain text"]),
        ('"\\ud800": 1', ["1 : a key must be a plain text"]),
        ('a: "\\ud800"', ["1 a: holds what is no Unicode text"]),
        ("a: {<<: 1}", ["1 a: '<<' takes a mapping or a list of mappings"]),
        ("a: !!int x", ["1 a: tags have no use here; a text that begins with '!' needs quotes"]),
        ("a: !!set {x}", ["1 a: tags have no use here; a text that begins with '!' needs quotes"]),
        ("a: !x [1]", ["1 a: tags have no use here; a text that begins with '!' needs quotes"]),
        ("a: *b", ["1 : not YAML: an alias of nothing; a text that begins with '*' needs quotes"]),
        ("a: \ue000", ["1 : uses the private character U+E000"]),
    ],
)
def test_faults_name_their_line_and_key(text: str, found: list[str]) -> None:
    assert faults(text) == found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "1"),
        ("x${A}y${B}", "x1y2"),
        ("${N:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY}", ""),
        ("${N:-}", ""),
        ("${N:-a:b-c d}", "a:b-c d"),
        ("${A:-d}", "1"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("$A $ {A} $", "$A $ {A} $"),
        ("${LOOP}", "${A}"),
    ],
)
def test_variables_are_expanded_once_as_in_a_shell(text: str, value: str) -> None:
    assert expand(text, {"A": "1", "B": "2", "EMPTY": "", "LOOP": "${A}"}) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${N} ${A} ${M} ${N}", "environment variable not set: N, M"),
        *((text, "begins a variable") for text in ("${", "${A", "${}", "${1}", "${A-x}", "${a b}")),
    ],
)
def test_references_that_lead_nowhere_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        expand(text, {"A": "1"})


def test_references_need_no_quotes_where_braces_mean_something_to_yaml() -> None:
    text = "a: {b: ${B}, c: [${C:-x: {y}, 'z' # no comment}, $${D}]} # ${NOT_SET}"
    with pytest.raises(AssertionError):
        values(text, B="1")
    text = "a: {b: ${B}, c: [${C:-x: 'y', z # no comment}, $${D}]} # ${NOT_SET}"
    assert values(text, B="1") == {"a": {"b": "1", "c": ["x: 'y', z # no comment", "${D}"]}}


@pytest.mark.parametrize(("text", "value"), [("${V}", None), ("'${V}'", ""), ("x${V}", "x")])
def test_a_plain_variable_that_is_empty_is_null(text: str, value: object) -> None:
    assert values(f"a: {text}", V="") == {"a": value}


@pytest.mark.parametrize("text", ["5", "true", "1.5", "[x]", "{x: y}", "*a", "!b", "# c", "\n- d"])
def test_what_a_variable_holds_stays_a_text(text: str) -> None:
    assert values("a: ${V}", V=text) == {"a": text}


def test_bytes_of_a_variable_that_are_no_text_are_refused() -> None:
    assert faults("a: ${V}", V="\udcff") == ["1 a: holds what is no Unicode text"]


@given(st.text(st.sampled_from("${}:-AB1\n x\\'\"")))
def test_a_shield_hides_all_references_and_is_lifted_without_a_trace(text: str) -> None:
    shield = Shield.over(text)
    assert not re.search(r"\$\{[^{}\n]*\}", shield.text)
    assert shield.lift(shield.text) == text
