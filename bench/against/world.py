"""What is watched and by whom: channels of the origin, accounts, devices and their tokens.

The same for every peer, so that each is asked the same and gives answers of the same size.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

# Of no worth, and yet what a configuration takes for secrets.
JWT_SECRET = "bench-of-tokens-0123456789abcdefghijkl"
TICKET_SECRET = "bench-of-tickets-0123456789abcdefghijkl"
LIMIT = 3
HOST = "tv.example"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36"

CHANNELS = 40
RENDITIONS = (360, 720, 1080)
TARGET_SECONDS = 6
SEGMENT_BYTES = 1_000_000
# A live playlist of the usual size: 2 kB.
SEGMENTS = 25
# Where limits are tried out, slots must lapse within seconds, and Playgate keeps one for some
# refreshes of the playlist.
PROOF_CHANNEL, PROOF_TARGET_SECONDS = "proof", 1


@dataclass(frozen=True, slots=True)
class Stream:
    """One viewer's: an account's device that watches a channel."""

    account: str
    device: str
    channel: str

    def entry(self, algorithm: str = "HS256", route: str = "live") -> str:
        """Give the path of the entry manifest with a token of its own."""
        return f"/{route}/{self.channel}/master.m3u8?token={token(self, algorithm)}"


def token(stream: Stream, algorithm: str = "HS256", secret: str = JWT_SECRET) -> str:
    claims = {"sub": stream.account, "device_id": stream.device, "exp": int(time()) + 36_000}
    key = secret if algorithm == "HS256" else private_key()
    return jwt.encode(claims, key, algorithm)


@cache
def private_key() -> ec.EllipticCurvePrivateKey:
    """Give the key that signs the ES256 tokens of this run."""
    return ec.generate_private_key(ec.SECP256R1())


def public_pem() -> str:
    return (
        private_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def viewers(accounts: int) -> list[Stream]:
    """Give the streams of so many accounts, one to three each."""
    return [
        Stream(
            f"account-{account}", f"device-{account}-{device}", f"c{(account + device) % CHANNELS}"
        )
        for account in range(accounts)
        for device in range(account % LIMIT + 1)
    ]


def write_origin(folder: Path) -> None:
    """Lay out the files that the origin serves: `live` and `media` hold the same channels."""
    for route in ("live", "media"):
        for channel in range(CHANNELS):
            _write_channel(folder / route / f"c{channel}", TARGET_SECONDS)
    _write_channel(folder / "live" / PROOF_CHANNEL, PROOF_TARGET_SECONDS)
    segment = folder / "media" / "c0" / str(RENDITIONS[0])
    for number in range(SEGMENTS):
        (segment / f"segment-{7_000 + number}.ts").write_bytes(b"\x47" * SEGMENT_BYTES)


def _write_channel(folder: Path, target: int) -> None:
    folder.mkdir(parents=True)
    (folder / "master.m3u8").write_text(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        + "".join(
            f"#EXT-X-STREAM-INF:BANDWIDTH={height * 4_000},RESOLUTION={height * 16 // 9}x{height},"
            f'CODECS="avc1.64001f,mp4a.40.2",FRAME-RATE=50.000\n{height}/index.m3u8\n'
            for height in RENDITIONS
        )
    )
    for height in RENDITIONS:
        (folder / str(height)).mkdir()
        (folder / str(height) / "index.m3u8").write_text(
            f"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{target}\n"
            "#EXT-X-MEDIA-SEQUENCE:7000\n#EXT-X-INDEPENDENT-SEGMENTS\n"
            + "".join(
                f"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:{number * target // 60:02}"
                f":{number * target % 60:02}.000Z\n"
                f"#EXTINF:{target:.5f},\nsegment-{7_000 + number}.ts\n"
                for number in range(SEGMENTS)
            )
        )
