"""What a PromQL expression names: series, the labels it looks at, and the spans of time."""

from dataclasses import dataclass, field

import promql_parser as promql


@dataclass(frozen=True)
class Selector:
    """One choice of series: ``matchers`` are label, operator, value as they are written."""

    name: str
    matchers: frozenset[str]
    labels: frozenset[str]


@dataclass
class Facts:
    """All that an expression names.

    ``grouped`` are the labels of ``by`` and ``on``, ``ranges`` the seconds of its ``[…]``.
    """

    selectors: list[Selector] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)
    ranges: set[float] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        return {selector.name for selector in self.selectors}


def facts(expression: str) -> Facts:
    """Read an expression, its variables filled in.

    Raises:
        ValueError: it is no PromQL.
    """
    found = Facts()
    promql.walk(promql.parse(expression), lambda node: _note(node, found))
    return found


def _note(node: promql.Expr, found: Facts) -> None:
    match node:
        case promql.MatrixSelector():
            found.ranges.add(node.range.total_seconds())
            _note(node.vector_selector, found)
        case promql.VectorSelector():
            assert node.name, f"a selector without a name: {node}"
            matchers = node.matchers.matchers
            found.selectors.append(
                Selector(
                    node.name,
                    frozenset(str(one) for one in matchers),
                    frozenset(one.name for one in matchers),
                )
            )
        case promql.AggregateExpr() if node.modifier:
            found.grouped |= set(node.modifier.labels)
        case promql.BinaryExpr() if node.modifier and node.modifier.matching:
            found.grouped |= set(node.modifier.matching.labels)
        case _:
            pass
