import base64
import contextlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, RSAKey

from proxy.credentials.encrypted import CONTENT_ENCRYPTION, Decrypter, DecryptionKey

SECRET = b"0123456789abcdef0123456789abcdef"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
SIZES = {"A128GCM": 16, "A256GCM": 32, "A128CBC-HS256": 32, "A256CBC-HS512": 64}


def pem(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def encrypted(text: str, key: Any, **header: str) -> str:
    registry = jwe.JWERegistry(algorithms=[*header.values(), "DEF"])
    return jwe.encrypt_compact(header, text, key, registry=registry)


@pytest.mark.parametrize("enc", CONTENT_ENCRYPTION)
def test_every_content_encryption_is_read_with_a_direct_key(enc: str) -> None:
    secret = (SECRET * 2)[: SIZES[enc]]
    text = encrypted("alice", OctKey.import_key(secret), alg="dir", enc=enc)
    assert Decrypter([DecryptionKey.symmetric("dir", secret)]).text(text) == "alice"


@pytest.mark.parametrize(
    ("algorithm", "ours", "theirs"),
    [
        ("A128KW", DecryptionKey.symmetric("A128KW", SECRET[:16]), OctKey.import_key(SECRET[:16])),
        ("A256KW", DecryptionKey.symmetric("A256KW", SECRET), OctKey.import_key(SECRET)),
        (
            "RSA-OAEP-256",
            DecryptionKey.private("RSA-OAEP-256", pem(RSA)),
            RSAKey.import_key(pem(RSA)),
        ),
        ("ECDH-ES", DecryptionKey.private("ECDH-ES", pem(EC)), ECKey.import_key(pem(EC))),
        (
            "ECDH-ES+A256KW",
            DecryptionKey.private("ECDH-ES+A256KW", pem(EC)),
            ECKey.import_key(pem(EC)),
        ),
    ],
    ids=["A128KW", "A256KW", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A256KW"],
)
def test_every_key_decrypts_what_is_for_it(
    algorithm: str, ours: DecryptionKey, theirs: Any
) -> None:
    stranger = DecryptionKey.symmetric("A256KW", b"x" * 32)
    text = encrypted("192.0.2.0/24", theirs, alg=algorithm, enc="A256GCM")
    assert Decrypter([stranger, ours]).text(text) == "192.0.2.0/24"
    with pytest.raises(ValueError, match="no key"):
        Decrypter([stranger]).text(text)


def test_a_key_is_for_its_own_algorithm() -> None:
    text = encrypted("alice", OctKey.import_key(SECRET), alg="A256KW", enc="A256GCM")
    with pytest.raises(ValueError, match="no key"):
        Decrypter([DecryptionKey.symmetric("dir", SECRET)]).text(text)


def test_a_header_may_be_written_with_spaces() -> None:
    """One that went for a name would be another account each time."""
    header = b'{ "alg": "A256KW",\n  "enc": "A256GCM" }'
    made = base64.urlsafe_b64encode(header).rstrip(b"=").decode()
    with pytest.raises(ValueError, match="no key"):
        Decrypter().text(".".join([made, *GOOD.split(".")[1:]]))


def test_a_bomb_is_not_inflated() -> None:
    key = OctKey.import_key(SECRET)
    text = encrypted("a" * 100_000, key, alg="A256KW", enc="A256GCM", zip="DEF")
    assert len(text) < 1000
    with pytest.raises(ValueError, match="no key"):
        Decrypter([DecryptionKey.symmetric("A256KW", SECRET)]).text(text)


@pytest.mark.parametrize(
    "plain",
    ["alice", "", "a.b.c.d.e", "ex.b.c.d.e", "eyJhbGciOiJub25lIn0.a.b.c.d", "192.0.2.0/24"],
)
def test_what_is_not_encrypted_is_left_as_it_is(plain: str) -> None:
    assert Decrypter().text(plain) == plain


PART = st.text("ABCDefgh0129_-", max_size=12)
GOOD = encrypted("alice", OctKey.import_key(SECRET), alg="A256KW", enc="A256GCM")


@given(parts=st.tuples(PART, PART, PART, PART, PART), kept=st.lists(st.booleans(), min_size=5))
@example(parts=("", "", "", "", ""), kept=[False] * 5)
@example(parts=("", "", "", "", ""), kept=[True, True, True, True, False])
def test_no_hostile_text_raises_anything_else(parts: tuple[str, ...], kept: list[bool]) -> None:
    """Parts of a good one, the others made up."""
    mixed = [
        good if keep else made
        for good, made, keep in zip(GOOD.split("."), parts, kept, strict=False)
    ]
    text = GOOD.partition(".")[0] + ".".join(mixed).removeprefix(GOOD.partition(".")[0])
    decrypter = Decrypter(
        [DecryptionKey.symmetric("A256KW", SECRET), DecryptionKey.private("ECDH-ES", pem(EC))]
    )
    with contextlib.suppress(ValueError):
        assert decrypter.text(text) == "alice"


@pytest.mark.parametrize(
    "header",
    [
        *('{"alg":7,"enc":7,"x":"0123456789"}', '{"alg":[],"enc":{},"x":"0123456789"}'),
        *('{"alg":"A256KW","x":"0123456789"}', '{"alg":"A256KW","enc":"A256GCM"'),
        *('{"alg":"none","enc":"A256GCM"}', '{"alg":"A256KW","enc":"none"}', '{"":' + "[" * 700),
        '{"": "' + "\\ud800" * 9 + '"}',
        '{"alg":"ECDH-ES","enc":"A256GCM","epk":7}',
        '{"alg":"ECDH-ES","enc":"A256GCM","epk":{"kty":"EC","crv":"P-256","x":"","y":""}}',
        '{"alg":"ECDH-ES","enc":"A256GCM","epk":{"kty":"oct","k":"AAAA"}}',
        '{"alg":"A256KW","enc":"A256GCM","crit":["x"],"x":1}',
        '{"alg":"A256KW","enc":"A256GCM","jku":"http://127.0.0.1/","jwk":{"kty":"oct","k":"AA"}}',
    ],
)
def test_no_hostile_header_raises_anything_else(header: str) -> None:
    keys = [DecryptionKey.symmetric("A256KW", SECRET), DecryptionKey.private("ECDH-ES", pem(EC))]
    made = base64.urlsafe_b64encode(header.encode()).rstrip(b"=").decode()
    with pytest.raises(ValueError, match="no key"):
        Decrypter(keys).text(".".join([made, *GOOD.split(".")[1:]]))
