"""Requests that came before, answered as soon as the store has answered: the daily bread.

A player that refreshes a manifest asks for the same thing each time, in the same words. What the
walk (``gateway``) finds out about it before anybody is asked, who it is and which stream that is,
comes out the same, for as long as the credential is good. So what follows is kept: the question to
the store, and what the manifest is known by. If that is fresh, nothing is waited for but the
store's answer, and where that is the usual one, that the stream goes on, the reply is made in the
turn in which it arrives: without a task, and without another look at what is known.

This answers nothing else. Everything unusual is left to the walk, which reads the request again and
is told what the store has said already, for what a store says once is not said again. So nothing is
decided here, what is done is done by the same rooms, and of what a request says itself nothing need
be kept: not even its ticket, which is the longest in it.
"""

from functools import lru_cache, partial
from hashlib import blake2b
from time import perf_counter
from typing import Any, cast

import structlog

from proxy.admission.store import Told
from proxy.admit import Admission
from proxy.attendance import Holds
from proxy.beat import Answered, Beat, Guide, Turn, Visit, Who
from proxy.keeping import Keeping, Seen
from proxy.learned import Learned
from proxy.manifest_source import ManifestSource
from proxy.manifests.template import Template
from proxy.model import Kind
from proxy.rendering import AT_ONCE
from proxy.streams import Decision, Renewal
from proxy.walker import Walkers

# Requests that came once and are remembered as such, for each that is kept. Most never come again
# (a viewer zaps, a player puts its measurements into the query), and none of those takes a place
# from one that does.
ONCE = 4
# A cryptographic hash: who found two requests with one name could be given another's manifest. One
# byte more would take sixteen, with what Python keeps of each and how it rounds them up.
NAME_BYTES = 15
# Places of tickets in requests that are told apart.
MAX_PLACES = 4096

log = structlog.get_logger("playgate")


class Beats:
    """Keeps what came before, and answers it when it comes again: ``size`` requests at most."""

    def __init__(
        self,
        *,
        size: int,
        walkers: Walkers,
        admission: Admission,
        source: ManifestSource,
        holds: Holds,
        learned: Learned,
    ) -> None:
        self._walkers = walkers
        self._now = walkers.now
        self._admission = admission
        self._source = source
        self._holds = holds
        self._learned = learned
        self._kept: Keeping[bytes, Beat] = Keeping(size)
        self._find = self._kept.find
        self._came = Seen(ONCE * size)

    def keep(self, wording: bytes, visit: Visit, template: Template) -> None:
        """Keep a visit that went well, by its request's name, from the second time on."""
        if not wording:
            return
        name = named(wording)
        known, is_led = self._find(name), template.refreshes_by_location
        if not self._came.before(name) or (known and (known.guide or not is_led)):
            return
        if not self._kept.make_place(name):
            return
        walker, playback = visit.walker, visit.walker.playback
        beat = self._admission.shows_life(playback.content, by_ticket=walker.ticket is not None)
        question = self._admission.question(walker.subject, playback, beat=beat)
        ticket = None
        if walker.ticket is not None and not is_led:
            ticket = _place(said(wording), walker.ticket.text.encode())
        self._kept.put(name, Beat(visit, question, ticket, self._learned))

    def find(self, name: bytes) -> Beat | None:
        """Give what a request comes to, by its name, if it may still."""
        beat = self._find(name)
        if beat is None:
            return None
        beat.used = True
        guide, learned = beat.guide, self._learned
        is_valid = (
            beat.expires_at > self._now()
            if guide is None
            else self._walkers.still_valid(guide.walker)
        )
        if is_valid and (beat.changes == learned.changes or beat.is_still_asked_so(learned)):
            return beat
        self._kept.drop(name)
        return None

    def answer(self, turn: Turn[Who], answered: Answered[Who]) -> bool:
        """Answer a request that came before; ``answered`` is called with what it comes to.

        False, and it is not, where there is more to be waited for than the store.
        """
        beat = turn.beat
        manifest = self._source.at_hand(beat.key)
        if manifest is None or manifest.template is None:
            return False
        turn.template = manifest.template
        if not self._holds.may_take(beat.account, beat.manner.limit):
            return False
        turn.asked = perf_counter()
        if self._admission.store.hear(beat, partial(self._heard, turn, answered)):
            return True
        self._holds.give_back(beat.account)
        return False

    def _heard(self, turn: Turn[Who], answered: Answered[Who], told: Told) -> None:
        turn.heard = perf_counter()
        self._holds.give_back(turn.beat.account)
        if isinstance(told, Renewal):
            try:
                self._serve(turn, told)
            except Exception:
                # A bug. The walk may do better; else it has the request told so.
                log.exception("a beat could not be answered", route=turn.beat.key.route)
        answered(turn, told if isinstance(told, Decision) else None)

    def _serve(self, turn: Turn[Any], told: Decision) -> None:
        """Make what its viewer gets, if that is what is usual."""
        beat, template = turn.beat, turn.template
        if not self._learned.has_learned(
            beat.key.content, template, is_entry=beat.kind is Kind.ENTRY
        ):
            return
        if beat.ticket is None:
            template, sealed = self._guided(beat, told, template)
        elif template.refreshes_by_location:
            return
        else:
            sealed = turn.request[beat.ticket]
        turn.template, turn.body = template, template.render_within(AT_ONCE, sealed)

    def _guided(self, beat: Beat, told: Decision, template: Template) -> tuple[Template, bytes]:
        guide = cast("Guide", beat.guide)
        self._admission.note_return(guide.walker.playback, told, template)
        template, ticket = guide.fitted(self._walkers, told, template)
        return template, ticket.encode()


def named(wording: bytes) -> bytes:
    """Name a request by its wording: all that its answer depends on.

    That is whose it is, in two lines, and then what it says.
    """
    return blake2b(wording, digest_size=NAME_BYTES).digest()


def said(wording: bytes) -> bytes:
    """Give what a request says, whoever it is from."""
    return wording.split(b"\n", 2)[2]


def _place(request: bytes, ticket: bytes) -> slice | None:
    """Give where a ticket stands in a request; None where it is written in another way."""
    start = request.find(ticket)
    return _slice(start, start + len(ticket)) if start >= 0 else None


# They are alike, and the same for many.
_slice = lru_cache(MAX_PLACES)(slice)
