"""How many streams are active in the whole store, by route: a tally beside the accounts.

Whoever changes a slot changes the tally in the same step (``lua/tally.lua``), so that the two agree
whatever dies in between. What nobody changes is a slot that lapses and is not asked about; so slots
are counted by instants. Each says until when it is counted: a moment that is never before its end
and little after it, and who adds up (``lua/active.lua``) leaves out what is past. Nothing has to
happen for a number to fall; and one that is wrong, because something in Redis was lost or damaged,
comes right by itself as slots beat and instants pass.

Here is what both languages know of it. Spans are milliseconds.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

# How much longer than it lives a slot may be counted. With the time until the next look
# (``proxy.active_streams``) it is how late a lapse is seen, which is to be below ten seconds. It is
# more than the six in which live streams beat as a rule: every second beat finds that its slot
# counts for long enough, and leaves the tally alone.
LATE_MS = 8_000
# These moments are multiples of it: the fewer there are, the quicker they are added up.
STEP_MS = 2_000
# What ends so far ahead is something on demand of which nothing is heard, held for as long as it
# lasts. Its slot may be counted for up to a minute longer, should nobody be left to notice its
# lapse: that makes 240 moments in four hours, instead of 7,200.
FAR_MS = 600_000
FAR_LATE_MS = 60_000


def total(tallies: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add up tallies, each of which counts some of the accounts."""
    numbers: Counter[str] = Counter()
    for tally in tallies:
        numbers.update(tally)
    return dict(numbers)
