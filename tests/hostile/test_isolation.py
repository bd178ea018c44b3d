"""Many viewers at once over few connections: no answer has anything of another account's in it.

Accounts share networks, players and titles, and the connections: as behind a proxy that keeps a
few open and sends everybody's requests on each, in a row. Each request is made by one of them, with
what it was given, with another's ticket, or with a seal of another place; each answer is searched
for the names, tokens, tickets, streams and devices of all accounts but the one whose credential
asked.
"""

import asyncio
import random
import re
import secrets
from collections import Counter
from dataclasses import dataclass, field

import jwt
import pytest

from proxy.web.fast_path import FastConnection
from tests.conftest import Tell
from tests.support.jws import spoilt
from tests.support.playlists import serve_channels, serve_dash, serve_film
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack
from tests.web.wire import Wire, status

pytestmark = pytest.mark.hostile

ENTRIES = ("/live/one/master.m3u8", "/live/two/master.m3u8", "/live/film.m3u8", "/live/dash.mpd")
NETWORKS = ("192.0.2.7", "198.51.100.7", "203.0.113.7")
AGENTS = ("Player/1", "Player/2")
CONNECTIONS, REQUESTS, IN_A_ROW, TOKENS = 4, 220, 6, 4
# Requests from one end of an account's streams to the next: on a busy machine, too, most play on.
UNTIL_AN_END = 150
TICKET = re.compile(rb"_sid=([\w-]*)\.([\w-]+\.[\w-]+\.[\w-]+)")
STREAM = re.compile(rb"Playgate-Stream: (\w+)")


@dataclass(frozen=True)
class Place:
    """Where a viewer is, and with which player."""

    agent: str
    network: str

    def request(self, wire: Wire, target: str, method: str = "GET") -> bytes:
        made = wire.request(target, f"X-Forwarded-For: {self.network}", method=method)
        return made.replace(b"test/1", self.agent.encode())


PLACES = [Place(agent, network) for agent in AGENTS for network in NETWORKS]


@dataclass
class Account:
    """An account, what names it, and what its viewers were given."""

    name: str
    hash: str = ""
    secrets: set[bytes] = field(default_factory=set)
    # What it may ask for: targets with its tickets in them, and from where it was given them.
    targets: list[tuple[str, "Place"]] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """A request, and whose credential it carries; None: nobody's that is good."""

    owner: Account | None
    what: str
    raw: bytes
    place: Place = PLACES[0]
    entry: str = ""


@dataclass
class House:
    """The accounts, and what was seen of them."""

    stack: Stack
    accounts: list[Account]
    chance: random.Random
    seen: Counter[str] = field(default_factory=Counter)
    # Tickets that were given, by the titles that they were given for.
    known: dict[tuple[bytes, str], Account] = field(default_factory=dict)

    def next(self, wire: Wire) -> Asked:
        """Make up a request."""
        account = self.chance.choice(self.accounts)
        what = self.chance.choices(
            ("enter", "again", "heartbeat", "streams", "stop", "release", "mixed", "bad", "steer"),
            (6, 60, 2, 3, 1, 1, 6, 2, 3),
        )[0]
        if what == "enter" or not account.targets:
            place, entry = self.chance.choice(PLACES), self.chance.choice(ENTRIES)
            raw = place.request(wire, f"{entry}?token={self.token(account)}")
            return Asked(account, "enter", raw, place, entry)
        target, place = self.chance.choice(account.targets[-4:])
        sid = target.partition("_sid=")[2]
        method, path, owner = "GET", target, account
        match what:
            case "heartbeat" | "release":
                method, path = "POST", f"/_playgate/{what}?_sid={sid}"
            case "streams" | "steer":
                path = f"/_playgate/{'steering' if what == 'steer' else what}?_sid={sid}"
            case "stop":
                stream = self.chance.choice(account.streams)
                method, path = "DELETE", f"/_playgate/streams/{stream}?_sid={sid}"
            case "mixed":
                method, path = self.mixed(account, target)
            case "bad":
                path = f"{ENTRIES[0]}?token={spoilt(self.token(account))}"
                return Asked(None, what, place.request(wire, path))
        raw = place.request(wire, path, method)
        return Asked(owner, what, raw, place, target.partition("?")[0])

    def mixed(self, account: Account, target: str) -> tuple[str, str]:
        """Put together what does not belong together: it opens nothing, or the ticket's own."""
        other = self.chance.choice([each for each in self.accounts if each.targets])
        theirs, stolen = self.chance.choice(other.targets)[0].split("?_sid=")
        sid = target.partition("_sid=")[2]
        ticket = sid.partition(".")[2]
        stream = self.chance.choice(other.streams)
        return self.chance.choice(
            (
                ("GET", f"{theirs}?_sid={sid}"),
                ("GET", f"{theirs}?_sid={stolen.partition('.')[0]}.{ticket}"),
                ("GET", f"{theirs}?_sid={sid}&_sid={stolen}"),
                ("GET", f"{ENTRIES[1]}?_sid={sid}&token={self.token(account)}"),
                ("GET", f"/_playgate/streams/{stream}?_sid={sid}"),
                ("DELETE", f"/_playgate/streams/{stream}?_sid={sid}"),
                ("POST", f"/_playgate/heartbeat?_sid={sid}&stream={stream}"),
            )
        )

    def token(self, account: Account) -> str:
        """Give one of the tokens that it has, each for a device or for whatever device it is."""
        if len(account.tokens) < TOKENS:
            device = f"{account.name}-device-{len(account.tokens)}"
            named = device if len(account.tokens) % 3 else None
            token = self.stack.token(account.name, device=named)
            account.tokens.append(token)
            # The header is the same for all.
            account.secrets |= {part.encode() for part in token.split(".")[1:]}
        return self.chance.choice(account.tokens)

    def check(self, asked: Asked, reply: tuple[bytes, bytes]) -> None:
        """Take note of what an answer gives its account, and look for what is another's."""
        head, body = reply
        self.seen[f"{asked.what} {status(reply)}"] += 1
        assert status(reply) < 500, reply
        self.note(asked, head, body)
        whole = head + body
        for account in self.accounts:
            if account is not asked.owner:
                leaked = [secret for secret in account.secrets if secret in whole]
                assert not leaked, (asked, account.name, leaked)
        for account in self.accounts:
            assert not any(token.encode() in whole for token in account.tokens), asked

    def note(self, asked: Asked, head: bytes, body: bytes) -> None:
        for seal, ticket in set(TICKET.findall(body)):
            assert asked.owner is not None, (asked, body)
            if (seal + ticket, asked.entry) in self.known:
                assert self.known[seal + ticket, asked.entry] is asked.owner
                continue
            self.known[seal + ticket, asked.entry] = asked.owner
            claims = jwt.decode(ticket, options={"verify_signature": False})
            assert claims["a"] == asked.owner.hash, asked
            asked.owner.secrets |= {claims["s"].encode(), *ticket.split(b".")[1:]}
            asked.owner.secrets.add(claims["d"].encode())
            asked.owner.streams.append(claims["s"])
            folder = asked.entry.rpartition("/")[0]
            names = re.findall(rb"([\w/.-]+)\?_sid=" + re.escape(seal + b"." + ticket), body)
            for name in names:
                plain = name.decode()
                target = (
                    plain[plain.index("/live/") :] if "/live/" in plain else f"{folder}/{plain}"
                )
                if "_playgate" not in plain:
                    sid = (seal + b"." + ticket).decode()
                    asked.owner.targets.append((f"{target}?_sid={sid}", asked.place))
        for stream in STREAM.findall(head):
            assert asked.owner is not None, (asked, head)
            asked.owner.secrets.add(stream)
            asked.owner.streams.append(stream.decode())

    async def visit(self) -> None:
        """Send a connection's share of requests, in rows; now and then, go away in the middle."""
        sent = 0
        while sent < REQUESTS:
            async with Wire(self.stack) as wire:
                for _ in range(self.chance.randint(5, 40)):
                    row = [self.next(wire) for _ in range(self.chance.randint(1, IN_A_ROW))]
                    row *= self.chance.choice((1, 1, 3))  # what comes a third time is known
                    wire.send(*(asked.raw for asked in row))
                    sent += len(row)
                    if self.chance.random() < 0.05:
                        break
                    for asked in row:
                        self.check(asked, await wire.reply())
                wire.writer.transport.abort()

    async def operate(self, over: asyncio.Event) -> None:
        """End streams of one account after the other, as long as there are requests."""
        while not over.is_set():
            account = self.chance.choice(self.accounts)
            path = f"/admin/v1/accounts/{account.name}/streams"
            listed = (await self.stack.operate(path)).body
            for other in self.accounts:
                if other is not account:
                    assert not any(secret in listed for secret in other.secrets)
            await self.stack.operate(path, "DELETE")
            await self.goes_on(over)

    async def goes_on(self, over: asyncio.Event) -> None:
        """Wait until so many requests more were answered, or all are."""
        enough = self.seen.total() + UNTIL_AN_END

        async def so() -> bool:
            return over.is_set() or self.seen.total() >= enough

        await until(so, "requests go on", 600)


@pytest.mark.parametrize(("store", "seed"), [("memory", 1), ("redis", 2)])
async def test_no_answer_has_anything_of_another_account(
    monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer, store: str, seed: int, tell: Tell
) -> None:
    fast: list[bytes] = []
    answered = FastConnection.answered

    def noted(connection: FastConnection, reply: bytes) -> None:
        fast.append(reply)
        answered(connection, reply)

    monkeypatch.setattr(FastConnection, "answered", noted)
    redis = {"url": redis_server.url, "timeout": "10s", "key_prefix": secrets.token_hex(8)}
    async with Stack(
        store=redis if store == "redis" else {},
        listen={"trusted_proxies": ["127.0.0.1"]},
        limits={"default": 2},
        origin={"cache": "10m"},
        log={"level": "warning"},
    ) as stack:
        serve_channels(stack.origin, "one", "two")
        serve_film(stack.origin, "film")
        serve_dash(stack.origin, "dash")
        accounts = [Account(f"account-{number}-of-{seed}") for number in range(5)]
        house = House(stack, accounts, random.Random(seed))
        async with Wire(stack) as wire:
            for account in accounts:
                reply = await wire.ask(f"{ENTRIES[0]}?token={house.token(account)}")
                ticket = TICKET.findall(reply[1])[0][1]
                account.hash = jwt.decode(ticket, options={"verify_signature": False})["a"]
                account.secrets |= {account.name.encode(), account.hash.encode()}
                house.check(Asked(account, "first", b"", entry=ENTRIES[0]), reply)
        over = asyncio.Event()
        operator = asyncio.create_task(house.operate(over))
        try:
            async with asyncio.timeout(600), asyncio.TaskGroup() as group:
                for _ in range(CONNECTIONS):
                    group.create_task(house.visit())
        finally:
            over.set()
            await operator
    checked = sum(house.seen.values())
    kinds = {name.rpartition(" ")[2] for name in house.seen}
    assert {"200", "204", "401", "409", "429"} <= kinds, house.seen
    assert len(fast) > 10
    tell(
        f"isolation, {store}: {checked} answers to {len(accounts)} accounts checked, "
        f"{len(fast)} of them by the fast path; leaks 0"
    )
