"""Common Access Tokens, made with the package that the proxy verifies them with."""

import time
from base64 import urlsafe_b64encode
from typing import Any

import cbor2
from cwt import COSE, COSEKey
from cwt.cose_key_interface import COSEKeyInterface

from tests.support.stack import JWT_SECRET

MAIN = COSEKey.from_symmetric_key(JWT_SECRET, alg="HS256")
ISS, SUB, AUD, EXP, NBF, IAT, CTI = range(1, 8)
CATREPLAY, CATPOR, CATV, CATNIP, CATU, CATM, CATALPN, CATH = range(308, 316)
CATIF, CATR = 322, 323
SCHEME, HOST, PORT, PATH, QUERY, PARENT, NAME, STEM, EXTENSION = range(9)
EXACT, PREFIX, SUFFIX, CONTAINS, REGEX, SHA256, SHA512_256 = 0, 1, 2, 3, 4, -1, -2


def cat(
    more: dict[Any, Any] | None = None, key: COSEKeyInterface = MAIN, *, tagged: bool = True
) -> str:
    """Make a token of alice's; a claim that is None is left out."""
    every = {SUB: "alice", EXP: int(time.time()) + 600, **(more or {})}
    payload = cbor2.dumps({name: value for name, value in every.items() if value is not None})
    return envelope(payload, key, tagged=tagged)


def envelope(payload: bytes, key: COSEKeyInterface = MAIN, *, tagged: bool = True) -> str:
    """Put a payload into COSE_Mac0 or COSE_Sign1, as the key wants."""
    cose = COSE.new(alg_auto_inclusion=True, kid_auto_inclusion=bool(key.kid))
    encode = cose.encode_and_mac if key.kty == 4 else cose.encode_and_sign
    message = encode(payload, key)
    if not tagged:
        message = cbor2.dumps(cbor2.loads(message).value)
    return text_of(message)


def text_of(message: bytes) -> str:
    return urlsafe_b64encode(message).rstrip(b"=").decode()
