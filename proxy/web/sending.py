"""How replies are sent: by aiohttp, or, where it is all the same, without its objects."""

from collections.abc import AsyncIterator

import structlog
from aiohttp import web
from multidict import CIMultiDict

from proxy.errors import PlaygateError
from proxy.model import Reply
from proxy.web.connections import Waiting, last_if_it_ends
from proxy.web.heads import Date, whole
from proxy.web.incoming import PlainRequest
from proxy.web.replies import SERVER

log = structlog.get_logger("playgate")


def fields(reply: Reply, extra: tuple[tuple[str, str], ...]) -> CIMultiDict[str]:
    """Give the fields of a reply; ``extra`` ones replace those of the same name."""
    given = CIMultiDict(reply.headers)
    given["Server"] = SERVER
    for name, value in extra:
        if name == "Vary":
            given.add(name, value)
        else:
            given[name] = value
    return given


async def send(raw: web.BaseRequest, reply: Reply, fields: CIMultiDict[str]) -> web.StreamResponse:
    """Send a reply by aiohttp.

    One that keeps nothing from others is left to it altogether, to be sent once this request is no
    longer in flight: who asks for a thousand refusals at once and reads none holds no place.
    """
    if reply.stream is not None:
        return await _send_stream(raw, reply.status, fields, reply.stream)
    response = web.Response(status=reply.status, headers=fields, body=reply.body)
    last_if_it_ends(raw, response)
    if reply.close is not None:
        await response.prepare(raw)
        await response.write_eof()
    return response


async def _send_stream(
    raw: web.BaseRequest, status: int, headers: CIMultiDict[str], parts: AsyncIterator[bytes]
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    last_if_it_ends(raw, response)
    try:
        await response.prepare(raw)
        if raw.method != "HEAD":
            with Waiting(raw):
                async for chunk in parts:
                    await response.write(chunk)
        await response.write_eof()
    except PlaygateError as error:
        # The origin died in the middle, or the stream was ended. Part of the body is out: only a
        # broken connection tells the player that it is not whole.
        level = log.warning if error.status >= 500 else log.info
        level("a reply broke off", code=error.code)
        if raw.transport is not None:
            raw.transport.abort()
    except ConnectionError:
        log.debug("a client went away")
    return response


class PlainSender:
    """Sends the replies to plain requests, byte for byte as aiohttp would."""

    def __init__(self) -> None:
        self._date = Date()

    async def send(self, raw: PlainRequest, reply: Reply, headers: CIMultiDict[str]) -> bool:
        """Send a reply, and tell whether it is the last one of its connection.

        It is waited for only where it keeps something from others meanwhile.

        Raises:
            ConnectionError: the client is gone.
        """
        connection, stream = raw.protocol, reply.stream
        is_last = connection.ends
        length = len(reply.body) if stream is None else int(headers["Content-Length"])
        head = whole(reply.status, headers, length, self._date(), is_last=is_last)
        connection.write(head + reply.body)
        if stream is not None:
            with Waiting(raw):
                async for part in stream:
                    await connection.taken()
                    connection.write(part)
        if reply.close is not None:
            await connection.taken()
        return is_last
