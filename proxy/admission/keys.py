"""What keys are called in Redis, and what lies together.

    {prefix}:{<account>}:streams             an account's keys, and its tag
    {prefix}:active, {prefix}:ping           what is everybody's

A cluster runs a script only over keys of one hash slot, which is that of what stands in braces; and
an account's keys are changed together with the tally of active streams. So there, accounts are
divided into parts, each with a tally of its own:

    {prefix}:{<part>}:<account>:streams
    {prefix}:{<part>}:active, {prefix}:{<part>}:ping

The parts' hash slots lie evenly, so that primaries with as many slots have as many accounts. The
more parts there are, the evener it is; the fewer, the quicker are their tallies added up.
"""

from itertools import count

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

PARTS = 64
_SPAN = REDIS_CLUSTER_HASH_SLOTS // PARTS


def _tags() -> tuple[str, ...]:
    """Find for each part a number whose hash slot lies in its span of them."""
    found: dict[int, str] = {}
    for number in count():
        found.setdefault(key_slot(f"{number}".encode()) // _SPAN, f"{number}")
        if len(found) == PARTS:
            return tuple(found[part] for part in range(PARTS))
    raise AssertionError  # numbers do not end


class Keys:
    """The keys of a store that is one Redis; ``parts`` says how many fail apart."""

    parts = 1

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._tallies = tuple(f"{self._shared(part)}:active" for part in range(self.parts))

    def part(self, account: str) -> int:  # noqa: ARG002  # there is one
        """Tell in which part an account lies."""
        return 0

    def slot(self, part: int) -> int:  # noqa: ARG002  # there is one
        """Give the hash slot of a part."""
        return 0

    def slot_of(self, account: str) -> int:  # noqa: ARG002  # there is one
        """Give the hash slot in which an account lies."""
        return 0

    def of(self, account: str) -> tuple[str, str, str, str]:
        """Give an account's keys: its slots, its tombstones, its revocations, and its tally."""
        return self.named(account, self.part(account))

    def named(self, account: str, part: int) -> tuple[str, str, str, str]:  # noqa: ARG002  # there is one
        """Give the keys of an account that lies in a part."""
        tag = f"{self._prefix}:{{{account}}}"
        return f"{tag}:streams", f"{tag}:ended", f"{tag}:revoked", self._tallies[0]

    def tally(self, part: int) -> str:
        """Give the key of a part's tally."""
        return self._tallies[part]

    def ping(self, part: int) -> str:
        """Give a key of a part that is never there."""
        return f"{self._shared(part)}:ping"

    def _shared(self, part: int) -> str:  # noqa: ARG002  # there is one
        return self._prefix


class ClusterKeys(Keys):
    """The keys of a store that is a cluster."""

    parts = PARTS
    _tags = _tags()
    _slots = tuple(key_slot(tag.encode()) for tag in _tags)

    def part(self, account: str) -> int:
        """Tell in which part an account lies."""
        return key_slot(account.encode("utf-8", "replace")) // _SPAN

    def slot(self, part: int) -> int:
        """Give the hash slot of a part."""
        return self._slots[part]

    def slot_of(self, account: str) -> int:
        """Give the hash slot in which an account lies."""
        return self._slots[self.part(account)]

    def named(self, account: str, part: int) -> tuple[str, str, str, str]:
        """Give the keys of an account, as they are called in its part."""
        tag = f"{self._shared(part)}:{account}"
        return f"{tag}:streams", f"{tag}:ended", f"{tag}:revoked", self._tallies[part]

    def _shared(self, part: int) -> str:
        return f"{self._prefix}:{{{self._tags[part]}}}"
