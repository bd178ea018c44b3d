"""What a viewer's own page or app may ask under ``/_playgate/``.

Every answer is about the asking account alone. A ticket speaks for its stream; a token speaks for
the account and names a stream by ``?stream=``. The account's streams are shown to a ticket as well,
and stopped by it, where its token could have done so and it is no copied URL.
"""

import re
from collections.abc import Awaitable, Callable

from proxy.admit import Admission
from proxy.credentials.bearer import Credentials
from proxy.errors import BadRequest, MethodNotAllowed, NotFound, TokenForbidden
from proxy.listing import as_json
from proxy.model import API_ROUTE, Kind, Playback, Reply, Request, Subject, Ticket
from proxy.playback import identity
from proxy.playback.device import hints
from proxy.query import values_of
from proxy.rendering import decision_headers
from proxy.streams import Intent, Outcome
from proxy.telemetry.notes import Notes
from proxy.web.description import described
from proxy.web.replies import empty_reply, json_reply
from proxy.web.steering import Steering

PREFIX = "/_playgate/"
STREAM_ID = re.compile(r"[0-9a-f]{1,64}", re.ASCII)

Handler = Callable[[Request, Notes, str], Awaitable[Reply]]


class ViewerApi:
    """steering, heartbeat, release, streams, and the description of these."""

    def __init__(
        self,
        credentials: Credentials,
        admission: Admission,
        steering: Steering,
        device_header: str | None = None,
    ) -> None:
        self._credentials = credentials
        self._device_header = device_header
        self._admission = admission
        self._description = described("viewer")
        self._handlers: dict[str, dict[str, Handler]] = {
            "steering": {"GET": steering.reply, "HEAD": steering.reply},
            "heartbeat": {"POST": self._heartbeat},
            "release": {"POST": self._release},
            "streams": {"GET": self._list, "HEAD": self._list},
            "streams/": {"DELETE": self._end},
            "openapi.json": {"GET": self._describe, "HEAD": self._describe},
        }

    def methods(self, path: str) -> tuple[str, ...]:
        """Give the methods a path allows.

        Raises:
            NotFound: there is no such path.
        """
        return (*self._handlers_of(path)[0], "OPTIONS")

    async def reply(self, request: Request, notes: Notes) -> Reply:
        """Answer a request under ``/_playgate/``.

        Raises:
            PlaygateError: what is to be answered instead.
        """
        notes.route = API_ROUTE
        handlers, stream = self._handlers_of(request.path)
        notes.pattern = request.path.removesuffix(stream) + "{id}" * bool(stream)
        if request.method not in handlers:
            raise MethodNotAllowed((*handlers, "OPTIONS"))
        return await handlers[request.method](request, notes, stream)

    def _handlers_of(self, path: str) -> tuple[dict[str, Handler], str]:
        name, slash, stream = path.removeprefix(PREFIX).partition("/")
        handlers = self._handlers.get(name + slash)
        if handlers is None or (slash and not STREAM_ID.fullmatch(stream)):
            raise NotFound
        return handlers, stream

    async def _heartbeat(self, request: Request, notes: Notes, _: str) -> Reply:
        """Keep a stream's slot; with a ticket also take it again where there is room."""
        notes.kind = Kind.KEEPALIVE
        subject, playback = await self._stream_of(request)
        notes.subject, notes.playback = subject, playback
        if playback.content:
            decision = await self._admission.decide(
                subject, playback, beat=True, intent=Intent.RESUME
            )
        else:
            decision = await self._admission.touch(subject, playback)
        notes.decision = decision
        if decision.outcome is Outcome.ABSENT:
            raise NotFound("This account has no such stream.")
        reply = empty_reply()
        return Reply(reply.status, (*reply.headers, *decision_headers(decision)))

    async def _release(self, request: Request, notes: Notes, _: str) -> Reply:
        """Give a slot back; fine where there is none (a beacon is sent once and not answered)."""
        subject, playback = await self._stream_of(request)
        notes.subject = subject
        await self._admission.check(subject)
        await self._admission.store.release(subject.account, playback.stream, playback.instance_ms)
        return empty_reply()

    async def _list(self, request: Request, notes: Notes, _: str) -> Reply:
        """List the account's active streams, and how many it may have."""
        subject, _ = await self._owner_of(request)
        notes.subject = subject
        await self._admission.check(subject)
        streams = await self._admission.store.streams(subject.account)
        limit, _rule = self._admission.limit(subject)
        return json_reply({"streams": [as_json(stream) for stream in streams], "limit": limit})

    async def _end(self, request: Request, notes: Notes, stream: str) -> Reply:
        """Stop one of the account's streams, on whatever device it plays."""
        subject, by = await self._owner_of(request)
        notes.subject = subject
        await self._admission.check(subject)
        store = self._admission.store
        if not await store.stop(subject.account, stream, by=by):
            # One that was stopped may keep its slot until that lapses.
            kept = await store.streams(subject.account)
            if all(active.id != stream for active in kept):
                raise NotFound("This account has no such stream.")
        return empty_reply()

    async def _describe(self, _request: Request, _notes: Notes, _: str) -> Reply:
        """Give the description of all this."""
        return self._description

    async def _owner_of(self, request: Request) -> tuple[Subject, str]:
        """Give the account whose streams, all of them, a request may see and stop; and from where.

        A ticket stands in every URL of its stream, and so in the logs of whoever serves them.

        Raises:
            TokenForbidden: a ticket of a token that is for some URIs, or one from elsewhere.
        """
        credential = await self._credentials.of(request)
        clues = hints(request, self._device_header)
        if isinstance(credential, Ticket):
            if credential.subject.confined:
                raise TokenForbidden("The ticket's token is for other URIs or methods.")
            if identity.is_copied(credential, clues):
                raise TokenForbidden("The ticket is another device's.")
        return credential.subject, identity.label(credential, clues)

    async def _stream_of(self, request: Request) -> tuple[Subject, Playback]:
        """Give the stream a request speaks for: its ticket's, or the one its token names."""
        clues = hints(request)
        credential = await self._credentials.of(request)
        stream = _named(request.query)
        if isinstance(credential, Ticket):
            playback = identity.resume(credential, clues)
            ids = {credential.playback.stream, playback.stream}
            ids |= {playback.stray.stream} if playback.stray else set()
            if stream not in {None, *ids}:
                raise BadRequest("stream: another than the ticket's, which speaks for its own.")
            return credential.subject, playback
        if stream is None:
            raise BadRequest("Name the stream: ?stream=<id>, as in Playgate-Stream.")
        return credential.subject, identity.named(credential, stream, clues)


def _named(query: str) -> str | None:
    """Give the id of the stream that a query names."""
    named = values_of(query, "stream")
    if len(named) > 1:
        raise BadRequest("stream: given more than once.")
    if named and not STREAM_ID.fullmatch(named[0]):
        raise BadRequest("stream: not an id, as in Playgate-Stream.")
    return named[0] if named else None
