"""How many streams at once: the account's own limit, and the rules beside it.

Each is a ceiling over some of an account's streams. All of those that a stream counts in must have
room for it. Which rules a stream counts in is decided before (``rules``); a slot carries their
names.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.admission.policy import Policy
from proxy.admission.slot import Slot
from proxy.streams import EVERY_ACCOUNT

# What no account has more of, whatever its limit and whoever only looks on: each decision goes
# through all of an account's slots, and one account's must not keep everybody else's waiting.
MAX_STREAMS = 256


@dataclass(frozen=True, slots=True)
class Ceiling:
    """So many streams: of the account, or of those that carry a rule's name (``scope``).

    ``source`` is what a refusal calls it: the rule, or where the account's limit comes from.
    """

    limit: int
    source: str
    scope: str | None = None

    def covers(self, slot: Slot) -> bool:
        """Tell whether a stream counts in it."""
        return self.scope is None or self.scope in slot.rules

    def under(self, slots: Iterable[Slot]) -> list[Slot]:
        """Give those of the streams that count in it."""
        return [slot for slot in slots if self.covers(slot)]

    def excess(self, slots: Iterable[Slot]) -> int:
        """Count the streams above it; negative where there is room for more."""
        return len(self.under(slots)) - self.limit


Ceilings = tuple[Ceiling, ...]


def ceilings(
    limit: int, source: str, names: tuple[str, ...], policy: Policy
) -> tuple[Ceilings, Ceilings]:
    """Give what a stream with these rules' names must find room under, and what only looks on.

    The account's limit comes first, then the rules as they are configured, at last what is every
    account's: the first one that is full is the one that is told.
    """
    enforced: list[Ceiling] = []
    observed: list[Ceiling] = []
    (observed if policy.observes else enforced).append(Ceiling(limit, source))
    for rule in policy.rules:
        if rule.name in names:
            looks_on = policy.observes or rule.observed
            ceiling = Ceiling(rule.limit, rule.name, rule.name)
            (observed if looks_on else enforced).append(ceiling)
    enforced.append(Ceiling(MAX_STREAMS, EVERY_ACCOUNT))
    return tuple(enforced), tuple(observed)
