"""Which rules a stream counts in: what the operator wrote, held against who watches what.

Pure, and done before the store is asked: it counts by the names alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from proxy.model import Playback, Subject


class Paths(Protocol):
    """A set of paths, such as a glob's."""

    def matches(self, path: str) -> bool:
        """Tell whether a canonical path is one of them."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which streams a rule counts: those for which everything that is given holds.

    Of several paths, routes, classes, plans, and values of one claim, any one will do. Claims are
    those of ``Subject.claims``, by their names.
    """

    contents: tuple[Paths, ...] = ()
    routes: frozenset[str] = frozenset()
    device_classes: frozenset[str] = frozenset()
    plans: frozenset[str] = frozenset()
    claims: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def holds(self, subject: Subject, playback: Playback) -> bool:
        """Tell whether a stream is one of them."""
        return (
            (not self.routes or playback.route in self.routes)
            and (not self.device_classes or playback.device_class in self.device_classes)
            and (not self.plans or subject.plan in self.plans)
            and self._holds_of_content(playback.content)
            and self._holds_of_claims(subject.claims)
        )

    def _holds_of_content(self, content: str) -> bool:
        if not self.contents:
            return True
        path = path_of(content)
        return any(paths.matches(path) for paths in self.contents)

    def _holds_of_claims(self, given: tuple[tuple[str, str], ...]) -> bool:
        return all(
            any(name == claim and value in values for name, value in given)
            for claim, values in self.claims.items()
        )


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All rules by their names, in the order of the configuration."""

    rules: Mapping[str, Where] = field(default_factory=dict)

    def applying(self, subject: Subject, playback: Playback) -> tuple[str, ...] | None:
        """Name the rules that a stream counts in.

        None where nobody can say, because the stream is known by its id alone.
        """
        if not playback.content:
            return None
        return tuple(name for name, where in self.rules.items() if where.holds(subject, playback))


def path_of(content: str) -> str:
    """Give the path of a content's entry manifest, which is named by host, path and parameters.

    A very long one was cut: its end is not what it was.
    """
    _host, _, rest = content.partition("/")
    return "/" + rest.partition("?")[0]
