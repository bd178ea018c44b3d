"""Signs of life from elsewhere: the entries ``{account, stream}`` of a stream in Redis.

Whoever serves the segments in our place (a CDN, by its logs) knows who still watches, and may say
so here. An entry keeps a slot that is there, as a heartbeat does, and never takes one; one too many
does no harm. All proxies read as one group, so that each entry is taken by one of them; what a
proxy that died had read is claimed by the others.

An entry counts from now, not from when it was written, so one that is too old counts for nothing:
otherwise a backlog would keep slots of viewers who have long gone. What cannot be read is counted,
and said once in a while. While Redis or the store is away, nothing is lost but what grows too old;
where a part of the store is, what lies in the others is kept all the same.
"""

import asyncio
import os
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from proxy.admit import Admission
from proxy.background import Repeated
from proxy.errors import PlaygateError, StoreUnavailable, StreamEnded
from proxy.model import Playback
from proxy.redis_client import closed, trouble
from proxy.streams import Outcome

GROUP = "playgate"
# Entries taken at a time, and how many of them the store is asked about at once: players' requests
# ask the same store.
BATCH = 256
ABREAST = 4
# How long Redis is to hold a read of nothing, and any call may take beyond that; how long the last
# words may take at the end of the process; and the pause after a call that failed (seconds).
BLOCK_SECONDS = 2.0
ANSWER_SECONDS = 5.0
LEAVE_SECONDS = 0.75
PAUSE_SECONDS = 0.5
# How often to look after the stream (seconds): for what a dead proxy left, or is too old.
TIDY_SECONDS = 10.0
# How long an entry that a proxy read may go without an answer until another takes it; how long a
# proxy of the group may be unheard of until it is struck off; and the stream's life without any
# proxy (milliseconds).
CLAIM_MS = 10_000
GONE_MS = 3_600_000
TTL_MS = 86_400_000
# How far ahead an entry's ID may be (milliseconds): as much as clocks of two machines differ.
AHEAD_MS = 60_000
# How often to say what is wrong (seconds).
COMPLAINT_SECONDS = 60.0
# What an account and a stream are known by: the same as in events and in tickets.
ACCOUNT = re.compile(rb"[0-9a-f]{32}")
STREAM = re.compile(rb"[0-9a-f]{1,64}")
# What becomes of an entry: it is too old, cannot be read, or the stream was told what players are.
LATE, MALFORMED = "late", "malformed"
RESULTS = (LATE, MALFORMED, Outcome.RENEWED, Outcome.ABSENT, StreamEnded.code)

log = structlog.get_logger("playgate")

Entry = tuple[bytes, Mapping[bytes, bytes] | None]


class KeepaliveStream:
    """Takes the entries of the stream ``key``.

    ``max_age_ms`` gives how old one may be. ``count`` hears what became of each.
    """

    def __init__(
        self,
        redis: Redis,
        key: str,
        admission: Admission,
        *,
        max_age_ms: Callable[[], int],
        count: Callable[[str], None],
    ) -> None:
        self._redis = redis
        self._key = key
        self._admission = admission
        self._max_age_ms = max_age_ms
        self._count = count
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._joined = False
        self._behind = True  # whether entries that were given to us may be waiting
        self._left_at = 0.0  # when some were left, which are tried again in a while
        self._tidied = -TIDY_SECONDS
        self._complained: dict[str, float] = {}
        self._reading = Repeated("keepalive", self._turn)

    async def start(self) -> None:
        """Begin to read."""
        await self._reading.start()

    async def close(self) -> None:
        """Leave the group; what was read and not taken goes to the others once they look."""
        await self._reading.close()
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._leave()
        except (RedisError, OSError):
            pass  # it is struck off by the others
        await closed(self._redis)

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(BLOCK_SECONDS + ANSWER_SECONDS):
                await self._join()
                await self._tidy()
                entries = await self._read()
                now_ms = await self._now_ms() if entries else 0
            await self._take(entries, now_ms)
        except (RedisError, OSError, StoreUnavailable) as error:
            cause = trouble(error, self._redis)
            self._complain("keepalive entries cannot be taken", cause=cause)
            self._joined, self._behind = False, True
            await asyncio.sleep(PAUSE_SECONDS)

    # --- The group ---

    async def _join(self) -> None:
        """Be one of the group; the first makes the stream and its group."""
        if self._joined:
            return
        try:
            await self._redis.xgroup_create(self._key, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        await self._redis.pexpire(self._key, TTL_MS)
        self._joined = True

    async def _leave(self) -> None:
        pending = await self._redis.xpending_range(
            self._key, GROUP, min="-", max="+", count=1, consumername=self._name
        )
        # To strike off one who holds entries would lose them.
        if not pending:
            await self._redis.xgroup_delconsumer(self._key, GROUP, self._name)

    async def _tidy(self) -> None:
        """Take over what the dead had read, and strike them off; drop what is too old."""
        if monotonic() - self._tidied < TIDY_SECONDS:
            return
        self._tidied = monotonic()
        await self._redis.pexpire(self._key, TTL_MS)
        oldest_ms = await self._now_ms() - self._max_age_ms()
        await self._redis.xtrim(self._key, minid=oldest_ms, approximate=True)
        await self._redis.xautoclaim(self._key, GROUP, self._name, CLAIM_MS, count=BATCH)
        self._behind = True
        for one in await self._redis.xinfo_consumers(self._key, GROUP):
            if one["pending"] == 0 and one["idle"] > GONE_MS:
                await self._redis.xgroup_delconsumer(self._key, GROUP, one["name"])

    # --- The entries ---

    async def _read(self) -> list[Entry]:
        """Give entries: such as were given to us before and not taken, else new ones."""
        if self._left_at and monotonic() - self._left_at >= PAUSE_SECONDS:
            self._behind, self._left_at = True, 0.0
        since = "0" if self._behind else ">"
        answer: Any = await self._redis.xreadgroup(
            GROUP, self._name, {self._key: since}, count=BATCH, block=int(BLOCK_SECONDS * 1000)
        )
        entries: list[Entry] = answer[0][1] if answer else []
        if not entries:
            self._behind = False
        return entries

    async def _take(self, entries: list[Entry], now_ms: int) -> None:
        if not entries:
            return
        known = [(number, self._known((number, fields), now_ms)) for number, fields in entries]
        # Each stream once, however often it is named.
        named = list(dict.fromkeys(stream for _, stream in known if stream is not None))
        left: set[tuple[str, str] | None] = set()
        for first in range(0, len(named), ABREAST):
            batch = named[first : first + ABREAST]
            kept = await asyncio.gather(*(self._touch(*stream) for stream in batch))
            left.update(stream for stream, is_kept in zip(batch, kept, strict=True) if not is_kept)
        if taken := [number for number, stream in known if stream not in left]:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._redis.xack(self._key, GROUP, *taken)
        if left:
            self._leave_for_later(is_all=not taken)

    def _leave_for_later(self, *, is_all: bool) -> None:
        """Go on with other entries, unless these were new and none of them could be taken.

        Raises:
            StoreUnavailable: the store is away.
        """
        if is_all and not self._behind:
            raise StoreUnavailable
        self._behind, self._left_at = False, monotonic()
        self._complain("keepalive entries cannot be taken", cause="a part of the store is away")

    def _known(self, entry: Entry, now_ms: int) -> tuple[str, str] | None:
        """Give the account and the stream an entry names, if it counts."""
        number, fields = entry
        written_ms = int(number.partition(b"-")[0])
        if fields is None or written_ms < now_ms - self._max_age_ms():
            self._count(LATE)
            return None
        if written_ms > now_ms + AHEAD_MS:
            # Redis numbers all that follow after it, so none of them tells its age any more.
            self._count(MALFORMED)
            self._complain("keepalive entries are numbered far ahead of time", entry=number)
            return None
        account, stream = fields.get(b"account", b""), fields.get(b"stream", b"")
        if ACCOUNT.fullmatch(account) and STREAM.fullmatch(stream):
            return account.decode(), stream.decode()
        self._count(MALFORMED)
        self._complain("a keepalive entry cannot be read", entry=number)
        return None

    async def _touch(self, account: str, stream: str) -> bool:
        """Keep one stream; False where the store is away, or the part of it where it would be."""
        try:
            told = await self._admission.vouch(account, unseen(stream))
        except StoreUnavailable:
            return False
        except PlaygateError as error:
            self._count(error.code)
            return True
        # What this proxy remembers keeps no slot in the store, and the entry does once the store is
        # back.
        if told.outcome is Outcome.UNCHECKED:
            return False
        self._count(told.outcome)
        return True

    def _complain(self, what: str, **about: object) -> None:
        """Log what is wrong, each thing once in a while."""
        last = self._complained.get(what, -COMPLAINT_SECONDS)
        if monotonic() - last >= COMPLAINT_SECONDS:
            self._complained[what] = monotonic()
            log.warning(what, **about)

    async def _now_ms(self) -> int:
        """Give the time of the clock by which entries are numbered."""
        seconds, micros = await self._redis.time()
        return int(seconds) * 1000 + int(micros) // 1000


def unseen(stream: str) -> Playback:
    """Identify a stream by its id alone, by who has not seen its viewer: no network, no device."""
    return Playback(stream, "", False, "", "", "", "", "")  # noqa: FBT003  # strong: not by itself
