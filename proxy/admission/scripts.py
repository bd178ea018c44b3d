"""The Lua scripts, ready to run: what they share, then their own files, constants filled in.

Whatever both languages must agree on is written once: numbers here and in the modules they come
from, what scripts share in files of its own. Constants are written into the text in place of their
names, because Lua 5.1 pays at each call for each local that a function refers to: as locals they
took a fifth of a decision's time.
"""

import re
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files

from proxy.admission import ceilings, decision, ledger, revocations, slot, tally
from proxy.admission.policy import Takeover
from proxy.streams import EndReason

# The fields of a slot, a tombstone and the rest, as the scripts handle them: arrays from 1.
_SLOT = (
    *("EXPIRES", "COUNTED", "STARTED", "SEEN", "BEATS", "TTL", "HOLD", "INTERVAL"),
    *("SELF_REFRESHING", "STRONG"),
    *("DEVICE", "CONTENT", "ROUTE", "LABEL", "RIVAL", "NETWORKS", "RULES"),
    *("ISSUED", "JTI"),
)
# Why a stream ended, as the scripts store and tell it: the place here. The first is the newcomer
# that lost its provisional place, which is a refusal rather than an end.
REASONS = (
    None,
    EndReason.RELEASED,
    EndReason.LAPSED,
    EndReason.KILLED,
    EndReason.SUPERSEDED,
    EndReason.EVICTED,
)
_REASONS = ("LOST", "GIVEN_BACK", "LAPSED", "KILLED", "SUPERSEDED", "EVICTED")
_TOMBSTONE = ("UNTIL", "AT", "HELD_UNTIL", "RELEASED", "RELEASED_UNTIL", "REASON", "BY")
_REVOCATION = ("UNTIL", "BEFORE")
_CEILING = ("NUMBER", "MOST", "SCOPE")
_CONSTANTS: dict[str, int | str] = {
    **{name: index for index, name in enumerate(_SLOT, 1)},
    **{name: index for index, name in enumerate(_TOMBSTONE, 1)},
    **{name: index for index, name in enumerate(_CEILING, 1)},
    **{name: index for index, name in enumerate(_REVOCATION, 1)},
    **{name: index for index, name in enumerate(_REASONS)},
    "LAST_REASON": len(_REASONS) - 1,
    # How they are stored (Lua's struct library): whole numbers in 6 bytes (2^48 ms is the year
    # 10889) or 1, strings after their length in 2. It takes half the time of MessagePack, and
    # what can be read at all has the right types.
    "SLOT_FORMAT": "'<I6I6I6I6I6I6I6I6BBHc0Hc0Hc0Hc0Hc0Hc0Hc0I6Hc0'",
    "TOMBSTONE_FORMAT": "'<I6I6I6I6I6BHc0'",
    "REVOCATION_FORMAT": "'<I6I6'",
    "TALLY_FORMAT": "'<I6c0'",
    "INSTANT_FORMAT": "'<I6'",
    "NETWORK_FORMAT": "'<Hc0I6'",
    "NAME_FORMAT": "'<Hc0'",  # what it begins with
    # What a slot begins with, and how many bytes there are in it besides texts.
    "TIMES_FORMAT": "'<I6I6'",
    "LEAST_SLOT": 72,
    # Beside the hashes of tokens' ids, and the ids of streams, which are hexadecimal.
    "ALL_TOKENS": "'all'",
    "CHURN": "'churn'",
    "CHURN_MS": ledger.CHURN_MS,
    "CROWDED_TOMBSTONES": ledger.CROWDED_TOMBSTONES,
    "FAR_LATE_MS": tally.FAR_LATE_MS,
    "FAR_MS": tally.FAR_MS,
    "LATE_MS": tally.LATE_MS,
    "LINGER_MS": ledger.LINGER_MS,
    # A year: no slot lives so long without a beat.
    "NEVER_MS": 31_536_000_000,
    # An hour: longer than a caller's own clock may stand still beside the server's.
    "SPARE_MS": 3_600_000,
    "MAX_CHURN": ledger.MAX_CHURN,
    "MAX_REVOKED": revocations.MAX_REVOKED,
    "MAX_STREAMS": ceilings.MAX_STREAMS,
    "MAX_TOMBSTONES": ledger.MAX_TOMBSTONES,
    "MIN_PATIENCE_MS": slot.MIN_PATIENCE_MS,
    "MIN_RETRY_MS": decision.MIN_RETRY_MS,
    "PROLONGED_MS": ledger.PROLONGED_MS,
    "RECALLED_MS": ledger.RECALLED_MS,
    "RELEASED_MS": ledger.RELEASED_MS,
    "STEP_MS": tally.STEP_MS,
    "TAKEOVER_PROVISIONAL": Takeover.PROVISIONAL.rank,
    "TAKEOVER_QUIET": Takeover.QUIET.rank,
    "TAKEOVER_STRONG": Takeover.STRONG.rank,
}
_CONSTANT = re.compile(rf"\b({'|'.join(_CONSTANTS)})\b")


@dataclass(frozen=True, slots=True)
class Script:
    """One script as Redis gets it (ASCII), and the digest by which it is called (EVALSHA)."""

    text: str
    digest: str


def _read(name: str) -> str:
    return (files("proxy.admission") / "lua" / f"{name}.lua").read_text(encoding="utf-8")


def _assembled(*names: str) -> Script:
    source = "\n".join(map(_read, ("common", *names)))
    text = _CONSTANT.sub(lambda match: str(_CONSTANTS[match[0]]), source)
    # Redis names scripts by SHA-1; nothing is protected by it.
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


# What each script that is about an account goes on from.
_ACCOUNT = ("tally", "slot", "prelude")
DECIDE = _assembled(
    *("asked", "tally", "slot", "renew", "prelude"), *("decide", "ends", "churn", "ways", "admit")
)
AMEND = _assembled(*_ACCOUNT, "amend")
RELEASE = _assembled(*_ACCOUNT, "ends", "churn", "release")
FORGET = _assembled(*_ACCOUNT, "forget")
STOP = _assembled(*_ACCOUNT, "ends", "churn", "stop")
END = _assembled(*_ACCOUNT, "ends", "end")
LAPSE = _assembled(*_ACCOUNT, "lapse")
REVOKE = _assembled(*_ACCOUNT, "ends", "revoke")
REVOKED = _assembled(*_ACCOUNT, "revoked")
LIST = _assembled(*_ACCOUNT, "ends", "list")
ACTIVE = _assembled("active")
PING = _assembled("ping")
ALL = (DECIDE, AMEND, RELEASE, STOP, FORGET, END, LAPSE, REVOKE, REVOKED, LIST, ACTIVE, PING)
