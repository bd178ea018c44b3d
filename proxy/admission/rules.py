"""Which rules a stream counts in: what the operator wrote, held against who watches what.

Pure, and done before the store is asked: it counts by the names alone. Which paths a rule is about
is held against the path that the entry manifest was asked for by, and said in the playback from
then on: a content's name may be cut, and has a host in it of the viewer's own choosing.
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

    ``contents`` are the paths of their entry manifests.

    Of several paths, routes, classes, plans, and values of one claim, any one will do. Claims are
    those of ``Subject.claims``, by their names.
    """

    contents: tuple[Paths, ...] = ()
    routes: frozenset[str] = frozenset()
    device_classes: frozenset[str] = frozenset()
    plans: frozenset[str] = frozenset()
    claims: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def takes_in(self, path: str) -> bool:
        """Tell whether an entry manifest's path is one of ``contents``."""
        return any(paths.matches(path) for paths in self.contents)

    def holds(self, subject: Subject, playback: Playback) -> bool:
        """Tell whether all but ``contents`` holds for a stream."""
        return (
            (not self.routes or playback.route in self.routes)
            and (not self.device_classes or playback.device_class in self.device_classes)
            and (not self.plans or subject.plan in self.plans)
            and self._holds_of_claims(subject.claims)
        )

    def _holds_of_claims(self, given: tuple[tuple[str, str], ...]) -> bool:
        return all(
            any(name == claim and value in values for name, value in given)
            for claim, values in self.claims.items()
        )


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All rules by their names, in the order of the configuration."""

    rules: Mapping[str, Where] = field(default_factory=dict)

    def of_content(self, path: str) -> tuple[str, ...]:
        """Name the rules whose ``contents`` take in an entry manifest's path."""
        if not self.rules:
            return ()
        return tuple(name for name, where in self.rules.items() if where.takes_in(path))

    def applying(self, subject: Subject, playback: Playback) -> tuple[str, ...] | None:
        """Name the rules that a stream counts in.

        None where nobody can say, because the stream is known by its id alone.
        """
        if not playback.content:
            return None
        if not self.rules:
            return ()
        return tuple(
            name
            for name, where in self.rules.items()
            if (not where.contents or name in playback.content_rules)
            and where.holds(subject, playback)
        )
