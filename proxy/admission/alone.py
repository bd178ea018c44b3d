"""What is decided while the store is away, by what passed here before: see ``outage``."""

from dataclasses import replace

from proxy.admission.policy import OnOutage, Policy
from proxy.admission.shadow import HOLDING, Shadow
from proxy.errors import StoreUnavailable
from proxy.streams import Attempt, Decision, Intent, Outcome

# What is said of a stream or a credential because it passed here before.
KNOWN = frozenset({Outcome.RENEWED, Outcome.ENDED, Outcome.REVOKED})


class Alone:
    """Decides in a mode, by a policy, and by what ``shadow`` remembers."""

    def __init__(self, shadow: Shadow, policy: Policy, mode: OnOutage) -> None:
        self._shadow = shadow
        self.govern(policy, mode)

    def govern(self, policy: Policy, mode: OnOutage) -> None:
        """Decide by another policy and mode from now on.

        Open means that no rule is asked; slots keep the names of theirs for when it is over.
        """
        self._mode = mode
        self._shadow.govern(replace(policy, rules=()) if mode is OnOutage.OPEN else policy)

    def decide(self, attempt: Attempt) -> Decision:
        """Decide on an attempt.

        Raises:
            StoreUnavailable: the mode is closed, and the stream is not known.
        """
        if self._mode is OnOutage.CLOSED:
            # Look before anything is noted: the answer may be that there is none.
            expected = self._shadow.rule(replace(attempt, intent=Intent.PEEK))
            if expected.outcome not in KNOWN:
                raise StoreUnavailable
        # A slot that is not known here may well be there, in the store.
        unchecked = {Outcome.RENEWED, Outcome.ABSENT}
        told = None if self._mode is OnOutage.OPEN else self._shadow.rule(attempt)
        has_ticket = attempt.playback.instance_ms is not None
        if not told or (told.outcome is Outcome.REFUSED and has_ticket):
            unchecked |= HOLDING
            told = self._shadow.let_in(attempt)
        outcome = Outcome.UNCHECKED if told.outcome in unchecked else told.outcome
        return told._replace(outcome=outcome)

    def insist(self) -> None:
        """Without the store there is no answer, in closed mode.

        Raises:
            StoreUnavailable: it is.
        """
        if self._mode is OnOutage.CLOSED:
            raise StoreUnavailable
