"""Sockets to listen on, and what is left on one that is about to be closed."""

import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence

Sockets = tuple[socket.socket, ...]
Given = Iterable[socket.socket]

# Linux's option for a filter of packets, which Python has no name for, and a filter that drops
# those that ask for a connection (classic BPF; each instruction is a code, two jumps, a number).
SO_ATTACH_FILTER = 26
NO_MORE = (
    (0x30, 0, 0, 13),  # load the octet of flags (RFC 9293 §3.1),
    (0x54, 0, 0, 0x12),  # of them SYN and ACK;
    (0x15, 0, 1, 0x02),  # where it is SYN alone,
    (0x06, 0, 0, 0),  # drop the packet,
    (0x06, 0, 0, 0xFFFFFFFF),  # or else take all of it
)


def bound(host: str, port: int, *, number: int = 1, given: Given = ()) -> Sockets:
    """Bind a port on each address that a host has; of those ``given``, what fits is taken.

    With a ``number``, so many sockets are bound to each address, and the system spreads connections
    over them (SO_REUSEPORT). No other program's are among them.

    Raises:
        OSError: an address is taken, or none of this machine, or the host's name leads to none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        reason = (error.strerror or "no address").lower()
        raise OSError(error.errno, f"{host} cannot be looked up: {reason}") from None
    sockets: list[socket.socket] = []
    for family, _, _, _, address in dict.fromkeys(found):
        ours = [one for one in given if _fits(one, family, address)]
        ours = ours or [_bound(family, address)]
        where = ours[0].getsockname()
        if number > 1 and not ours[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
            # It was bound alone at first: a port that can be shared looks free to who would share.
            ours.pop().close()
        ours += [_bound(family, where, shared=True) for _ in range(number - len(ours))]
        for one in ours:
            one.set_inheritable(True)  # by a new master, which is another program
            one.setblocking(False)  # noqa: FBT003  # the standard library's
        sockets += ours
    return tuple(sockets)


def queued(listening: socket.socket) -> Iterator[socket.socket]:
    """Accept what waits on a socket.

    What nobody accepts is reset when the last process closes the socket, though its client was let
    believe that it is connected.
    """
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # nothing waits any more, or what did has gone away
            return
        connection.setblocking(False)  # noqa: FBT003  # the standard library's
        yield connection


def take_no_more(listening: socket.socket) -> None:
    """Have the system leave new connections alone, and finish those that it is making.

    A connection that is made between the last ``queued`` and the end of the socket is reset,
    however soon that follows. Who is left alone hears nothing, asks again after a second, and
    learns that nobody listens. For good: the socket is the same for all processes that have it.
    """
    filter_ = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in NO_MORE))
    program = struct.pack("HP", len(NO_MORE), ctypes.addressof(filter_))
    with contextlib.suppress(OSError):  # another system than Linux closes as well as it can
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def _fits(given: socket.socket, family: int, address: Sequence[object]) -> bool:
    host, port = address[:2]
    theirs = given.getsockname()
    return given.family == family and theirs[0] == host and port in (0, theirs[1])


def _bound(family: int, address: tuple[object, ...], *, shared: bool = False) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        # As asyncio does: a port may be bound while connections of its last owner fade away, and
        # IPv6 is for itself.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except OSError as error:
        one.close()
        reason = os.strerror(error.errno or 0).lower()
        raise OSError(error.errno, f"{address[0]}:{address[1]} cannot be bound: {reason}") from None
    return one
