"""The walk of a request, in one direction.

    1. route        which origin serves this path?                   else not_found
    2. credentials  a ticket or a token: who is asking?              else 401
    3. playback     which stream does the request belong to?
    4. admission    one question to the store                        else stream_limit, stream_ended
    5. manifest     the compiled template: cached, or fetched        else what the origin said
    6. render       the template and the viewer's ticket
    7. reply

The origin is asked only after step 4, so that nobody who is refused ever reaches it. From step 3 on
a request counts among its account's until the reply is sent (``until_sent``). Rooms do the work;
here they meet. Nothing here knows a web framework, and nothing waits but for the store and the
origin.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from proxy import attendance
from proxy.admit import Admission
from proxy.attendance import Held, UntilSent
from proxy.beat import Visit
from proxy.beats import Beats
from proxy.conditions import is_conditional, not_modified
from proxy.errors import (
    MethodNotAllowed,
    NotFound,
    OriginInvalid,
    Overloaded,
    StoreUnavailable,
    TicketInvalid,
    TokenForbidden,
)
from proxy.manifest_caches import Manifest
from proxy.manifest_source import ManifestSource
from proxy.manifests.kinds import is_manifest_path, is_manifest_type
from proxy.manifests.template import Template
from proxy.model import Kind, Reply, Request
from proxy.origin.exchange import Opened
from proxy.origin.patience import unblocked
from proxy.rendering import rendered
from proxy.routing import Route, RouteTable
from proxy.streams import Decision, Intent, Outcome
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.notes import Notes
from proxy.walker import Walker, Walkers

T = TypeVar("T")

READING = ("GET", "HEAD", "OPTIONS")


class Gateway:
    """Answers requests for what lies under the routes."""

    def __init__(
        self,
        *,
        routes: RouteTable,
        walkers: Walkers,
        admission: Admission,
        source: ManifestSource,
        metrics: Metrics,
        holds: attendance.Holds,
        beats: Beats,
    ) -> None:
        self._routes = routes
        self._walkers = walkers
        self._admission = admission
        self._source = source
        self._metrics = metrics
        self._holds = holds
        self._beats = beats

    async def reply(self, request: Request, notes: Notes) -> Reply:
        """Answer a GET or HEAD.

        Raises:
            PlaygateError: what is to be answered instead.
        """
        route = self._routes.match(request)
        notes.route, notes.pattern = route.name, str(route.pattern)
        if request.method not in READING:
            raise MethodNotAllowed(READING)
        answer = self._manifest if is_manifest_path(request.path) else self._segment
        until_sent = UntilSent()
        try:
            told = await answer(route, request, notes, until_sent)
        except BaseException:
            until_sent.close()
            raise
        return Reply(told.status, told.headers, told.body, told.stream, until_sent.close)

    def goes_on(self, request: Request) -> bool:
        """Tell whether a request is of a stream that was let in before: whether it has a ticket."""
        return self._walkers.has_ticket(request)

    async def _manifest(
        self, route: Route, request: Request, notes: Notes, until_sent: UntilSent
    ) -> Reply:
        notes.kind = Kind.ENTRY
        content = route.content(request)
        with self._metrics.phase("auth"):
            visit = await self._visit(route, request, content, notes)
        walker = visit.walker
        conditional = is_conditional(request.headers)
        peek = conditional or request.method == "HEAD"
        await self._count(walker, notes, until_sent)
        decision = await self._decide(walker, notes, Intent.PEEK if peek else Intent.START)
        held = None if peek else Held(decision)
        try:
            manifest = await self._fetch(visit, request, held)
            template = manifest.template
            if conditional and template and not_modified(request.headers, manifest.validators):
                return Reply(304, (("Cache-Control", "no-store"),))
            if template is None:
                return Reply(manifest.status, manifest.headers, manifest.body)
            if conditional and request.method == "GET":
                decision = await self._decide(walker, notes, Intent.START)
                held = Held(decision)
            is_entry = visit.kind is Kind.ENTRY
            await self._admission.learn(
                walker.subject, walker.playback, decision, template, is_entry=is_entry
            )
            with self._metrics.phase("rewrite"):
                reply = self._render(request, walker, decision, template)
        except BaseException:
            # Its stream is not served: its viewer went away, or it failed.
            await self._give_back(walker, held)
            raise
        if decision.outcome is Outcome.RENEWED and not visit.key.blocking:
            self._beats.keep(request.wording, visit, template)
        return reply

    async def _visit(self, route: Route, request: Request, content: str, notes: Notes) -> Visit:
        """Find out who asks, and which stream it is: what is known before anybody is asked."""
        walker = await self._walkers.to_manifest(request, route, content)
        playback = notes.playback = walker.playback
        notes.subject = walker.subject
        notes.kind = Kind.ENTRY if playback.content == content else Kind.CHILD
        if notes.kind is Kind.CHILD and not self._walkers.may_fetch(walker, content):
            raise TicketInvalid
        wanted = request
        if request.method == "HEAD":  # nobody plays it, so there is nothing to wait for
            wanted = replace(request, query=unblocked(request.query))
        key = self._source.key(route, wanted, playback.content)
        return Visit(route, notes.kind, walker, key)

    async def _segment(
        self, route: Route, request: Request, notes: Notes, until_sent: UntilSent
    ) -> Reply:
        notes.kind = Kind.SEGMENT
        match route.segments:
            case "deny":
                raise TokenForbidden("This route serves manifests only.")
            case "direct":
                raise NotFound("This route's segments are served elsewhere.")
            case "signed":
                opened = await self._signed(route, request, notes, until_sent)
            case _:  # open to everybody: nobody knows what it is part of
                opened = await self._source.segment(route, request, None)
        until_sent.hold(opened.close)
        types = [value for name, value in opened.headers if name.lower() == "content-type"]
        if opened.status < 300 and any(map(is_manifest_type, types)):
            # A manifest under a segment's name would be played without being counted.
            raise OriginInvalid("A manifest was found under a name that is no manifest's.")
        return Reply(opened.status, opened.headers, stream=opened.stream)

    async def _signed(
        self, route: Route, request: Request, notes: Notes, until_sent: UntilSent
    ) -> Opened:
        """Open a segment by its ticket; each segment is a sign of life of its stream."""
        with self._metrics.phase("auth"):
            walker = self._walkers.to_segment(request)
        notes.subject, notes.playback = walker.subject, walker.playback
        peek = request.method == "HEAD"
        await self._count(walker, notes, until_sent)
        decision = await self._decide(walker, notes, Intent.PEEK if peek else Intent.START)
        held = None if peek else Held(decision)
        pace = None if peek else self._admission.tempo(walker.playback.content).pace
        work = self._source.segment(route, request, pace)
        opened = await self._attended(walker, held, work, lambda done: done.close())
        stream = attendance.Attended(opened.stream, lambda: self._go_on(walker))
        return Opened(opened.status, opened.headers, stream, opened.close)

    async def _go_on(self, walker: Walker) -> None:
        """Keep the slot of a stream whose segment is being sent; one it gave back is taken again.

        Raises:
            TokenRevoked, StreamEnded, StreamLimit: it must not go on.
        """
        with suppress(StoreUnavailable):  # what was begun in its time may come to its end
            await self._admission.decide(
                walker.subject,
                walker.playback,
                beat=self._is_beat(walker),
                intent=Intent.RESUME,
            )

    async def _decide(self, walker: Walker, notes: Notes, intent: Intent) -> Decision:
        if intent is Intent.START and notes.told is not None:
            # Said already, before this was found to be more than a beat.
            notes.decision, notes.told = notes.told, None
            return self._admission.judged(notes.decision)
        asking = self._admission.decide(
            walker.subject, walker.playback, beat=self._is_beat(walker), intent=intent
        )
        if intent is Intent.START and walker.ticket is None:
            # Who goes away meanwhile may have been given a slot, which only the answer tells.
            asking = attendance.finished(asking, lambda given: self._give_back(walker, Held(given)))
        notes.decision = await asking
        return notes.decision

    def _is_beat(self, walker: Walker) -> bool:
        content, ticket = walker.playback.content, walker.ticket
        return self._admission.shows_life(content, by_ticket=ticket is not None)

    async def _fetch(self, visit: Visit, request: Request, held: Held | None) -> Manifest:
        """Get the manifest; no stream goes on holding a slot for one that could not be had."""
        if held is not None and (fresh := self._source.fresh(visit.key)):
            return fresh
        walker = visit.walker
        work = self._source.manifest(visit.route, request, visit.key)
        manifest = await self._attended(walker, held, work)
        if manifest.template is None:
            await self._give_back(walker, held)
        return manifest

    async def _attended(
        self,
        walker: Walker,
        held: Held | None,
        work: Coroutine[Any, Any, T],
        discard: Callable[[T], object] = attendance.drop,
    ) -> T:
        """Wait for the origin; the walker's slot, if it holds one, is kept meanwhile.

        Raises:
            StreamEnded, StreamLimit: the stream was ended while it waited.
        """
        if held is None:
            return await work
        playback = walker.playback

        async def beat() -> None:
            is_beat = self._is_beat(walker)
            await self._admission.keep(walker.subject, playback, held.decision, beat=is_beat)
            held.kept = True

        every = self._admission.beat_interval(playback.content)
        return await attendance.attended(work, beat, every=every, discard=discard)

    async def _count(self, walker: Walker, notes: Notes, until_sent: UntilSent) -> None:
        """Count a request of an account until its reply is sent, and refuse one too many.

        Before it is decided on, or a stream would make room for one that is not served.

        Raises:
            Overloaded: as many as all its streams may have are under way already.
        """
        account = walker.subject.account
        if self._holds.are_taken(account, 1):
            await self._insist(walker, notes)
        self._holds.take(account)
        until_sent.hold(partial(self._holds.give_back, account))

    async def _insist(self, walker: Walker, notes: Notes) -> None:
        """Return if an account may have more requests under way than one stream may.

        Raises:
            Overloaded, TokenRevoked, StreamEnded, StreamLimit: it may not.
        """
        account = walker.subject.account
        streams, _rule = self._admission.limit(walker.subject, walker.playback.route)
        if not self._holds.are_taken(account, streams):
            return
        # More play where the limit was lowered, or is only observed; and who is refused or was
        # stopped hears that instead.
        seen = await self._decide(walker, notes, Intent.PEEK)
        if self._holds.are_taken(account, max(streams, seen.active)):
            raise Overloaded("Too many requests of this account are under way.")

    async def forsake(self, walker: Walker, told: Decision) -> None:
        """Give back what the store gave to a request whose client has gone away meanwhile."""
        await self._give_back(walker, Held(told))

    async def _give_back(self, walker: Walker, held: Held | None) -> None:
        # Who comes with a ticket is in the middle of a stream, and will ask again.
        if held is not None and walker.ticket is None:
            await self._admission.undo(walker.subject, held.decision, kept=held.kept)

    def _render(
        self, request: Request, walker: Walker, decision: Decision, template: Template
    ) -> Reply:
        template, ticket = self._walkers.fitted(walker, decision, template)
        return rendered(request, template, ticket, decision)
