"""Tokens that must not be believed: by whom they are signed, and how.

The attacks are those of RFC 8725 §2 and of the published flaws of JWT libraries.
"""

import json
from functools import partial
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.issuer import jwk_of
from tests.support.jws import (
    ED_KEY,
    INVALID,
    RSA_KEY,
    Forgeries,
    claims,
    der,
    es256,
    good,
    mac,
    made,
    part,
    ps256,
    rs256,
)


def forged_signatures() -> Forgeries:
    """Every one of them."""
    for group in (
        _without_a_signature,
        _confused_algorithms,
        _brought_along_keys,
        _odd_key_ids,
        _extensions,
        _odd_signatures,
    ):
        yield from group()


def _without_a_signature() -> Forgeries:
    spellings: tuple[Any, ...] = (
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        "",
        None,
        0,
        False,
        [],
        {},
        ["none"],
    )
    for spelling in spellings:
        header = {"alg": spelling, "typ": "JWT"}
        yield f"alg {spelling!r}, unsigned", f"{part(header)}.{part(claims())}.", INVALID
        yield f"alg {spelling!r}, signed", made(header, claims(), mac), INVALID
        named = {**header, "kid": "hs"}
        yield f"alg {spelling!r}, with a kid", made(named, claims(), mac), INVALID
    yield "no alg", made({"kid": "hs"}, claims(), mac), INVALID
    yield "no signature", f"{part({'alg': 'HS256', 'kid': 'hs'})}.{part(claims())}.", INVALID
    yield "changed claims", _changed(good(claims()), claims(sub="bob")), INVALID
    yield (
        "changed header",
        good(claims()).replace(
            part({"alg": "HS256", "kid": "hs"}), part({"alg": "HS256", "kid": "hs", "a": 1})
        ),
        INVALID,
    )


def _changed(token: str, payload: object) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{part(payload)}.{signature}"


def _confused_algorithms() -> Forgeries:
    public = RSA_KEY.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    secrets = {
        "PEM": pem,
        "PEM without its end": pem.rstrip(b"\n"),
        "PKCS #1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(jwk_of(RSA_KEY, "RS256")).encode(),
        "JWK without spaces": json.dumps(
            jwk_of(RSA_KEY, "RS256"), separators=(",", ":"), sort_keys=True
        ).encode(),
        "modulus": str(jwk_of(RSA_KEY, "RS256")["n"]).encode(),
        "nothing": b"",
        "a zero": b"\0",
    }
    for form, secret in secrets.items():
        for kid in ("rs", "hs", None):
            header = {"alg": "HS256"} | ({} if kid is None else {"kid": kid})
            name = f"HMAC with the public key ({form}), kid {kid}"
            yield (
                name,
                made(header, claims(), partial(mac, secret=secret)),
                INVALID,
            )
    for alg in ("hs256", "HS256 ", "HS256\0", "HS384", "RS256", "HS1", "SHA256", "dir", "ES256K"):
        yield f"MAC as {alg!r}", made({"alg": alg, "kid": "hs"}, claims(), mac), INVALID
    yield "PSS as RS256", made({"alg": "RS256", "kid": "rs"}, claims(), ps256), INVALID
    yield "PKCS #1 as PS256", made({"alg": "PS256", "kid": "rs"}, claims(), rs256), INVALID
    yield (
        "PSS, which is not configured",
        made({"alg": "PS256", "kid": "rs"}, claims(), ps256),
        INVALID,
    )
    yield (
        "RS256 by the kid of another",
        made({"alg": "RS256", "kid": "es"}, claims(), rs256),
        INVALID,
    )
    yield (
        "ES256 by the kid of another",
        made({"alg": "ES256", "kid": "rs"}, claims(), es256),
        INVALID,
    )


def _brought_along_keys() -> Forgeries:
    theirs = ec.generate_private_key(ec.SECP256R1())
    sign = jwt.get_algorithm_by_name("ES256").sign
    for kid in ("es", "theirs", None):
        for name, value in {
            "jwk": jwk_of(theirs, "ES256", kid=kid),
            "jku": "http://127.0.0.1:1/jwks.json",
            "x5u": "http://127.0.0.1:1/cert.pem",
            "x5c": [
                part(
                    theirs.public_key().public_bytes(
                        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
                    )
                )
            ],
        }.items():
            header = {"alg": "ES256", name: value} | ({} if kid is None else {"kid": kid})
            text = made(header, claims(), lambda message: sign(message, theirs))
            yield f"a key of its own ({name}), kid {kid}", text, INVALID


def _odd_key_ids() -> Forgeries:
    for kid in (
        *("../../../../dev/null", "/proc/sys/kernel/randomize_va_space", "file:///dev/null"),
        *(
            "' OR 1=1 --",
            "hs' UNION SELECT 'x",
            "$(touch /tmp/canary)",
            "{{7*7}}",
            "${jndi:ldap://x}",
        ),
        *("", " hs", "hs\0", "HS", "k" * 4000, "\ud800", "hs\r\nX: y", "ʰs"),
    ):
        header = {"alg": "HS256", "kid": kid}
        empty = made(header, claims(), lambda message: mac(message, b""))
        yield f"kid {kid[:40]!r} and an empty secret", empty, INVALID
        yield f"kid {kid[:40]!r}", good(claims(), kid=kid), INVALID
    for odd in (0, 7, None, True, ["hs"], {"kid": "hs"}, 1.5):
        yield f"kid {odd!r}", good(claims(), kid=odd), INVALID


def _extensions() -> Forgeries:
    crits: list[Any] = [["exp"], ["b64"], ["x"], ["x", "x"], [], "exp", None, 7, {}, ["alg"], [7]]
    for crit in crits:
        yield f"crit {crit!r}", good(claims(), crit=crit), INVALID
        yield f"crit {crit!r} that is there", good(claims(), crit=crit, x=1, exp=1), INVALID
    yield "b64 false", good(claims(), b64=False), INVALID
    yield "b64 false, critical", good(claims(), b64=False, crit=["b64"]), INVALID
    yield "b64 of another type", good(claims(), b64="false"), INVALID
    header = part({"alg": "HS256", "kid": "hs", "b64": False, "crit": ["b64"]})
    unencoded = f"{header}.sub"
    yield "b64 false, unencoded", f"{unencoded}.{part(mac(unencoded.encode()))}", INVALID
    yield "encrypted (JWE)", f"{part({'alg': 'dir', 'enc': 'A128GCM'})}..AAAA.AAAA.AAAA", INVALID
    header, payload, signature = good(claims()).split(".")
    flat = {"protected": header, "payload": payload, "signature": signature}
    yield "JSON serialisation, flat", json.dumps(flat), INVALID
    general = {"payload": payload, "signatures": [{"protected": header, "signature": signature}]}
    yield "JSON serialisation, general", json.dumps(general), INVALID


def _odd_signatures() -> Forgeries:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    es = {"alg": "ES256", "kid": "es"}
    for name, signature in {
        "zeros": bytes(64),
        "zeros of another length": bytes(132),
        "ones": b"\xff" * 64,
        "r and s of the curve's order": order.to_bytes(32, "big") * 2,
        "r zero": bytes(32) + b"\1" * 32,
        "s zero": b"\1" * 32 + bytes(32),
        "DER zeros": encode_dss_signature(0, 0),
        "one byte": b"\0",
    }.items():
        yield f"ES256, {name}", made(es, claims(), signature), INVALID
    yield "ES256, DER", made(es, claims(), der), INVALID
    yield "ES256, a byte short", made(es, claims(), lambda text: es256(text)[:-1]), INVALID
    yield "ES256, a byte more", made(es, claims(), lambda text: es256(text) + b"\0"), INVALID
    yield (
        "ES256, halves turned",
        made(es, claims(), lambda text: es256(text)[32:] + es256(text)[:32]),
        INVALID,
    )
    wide = ec.generate_private_key(ec.SECP521R1())
    sign = jwt.get_algorithm_by_name("ES512").sign
    yield "ES256 by a wider curve", made(es, claims(), lambda text: sign(text, wide)), INVALID
    rs = {"alg": "RS256", "kid": "rs"}
    for name, signature in {
        "zeros": bytes(256),
        "one": bytes(255) + b"\1",
        "modulus": RSA_KEY.public_key().public_numbers().n.to_bytes(256, "big"),
        "short": b"\1",
        "long": b"\1" * 512,
    }.items():
        yield f"RS256, {name}", made(rs, claims(), signature), INVALID
    for bits in (1024, 3072):
        key = rsa.generate_private_key(65537, bits)
        yield (
            f"RS256 by a key of {bits} bits",
            made(rs, claims(), partial(rs256, key=key)),
            INVALID,
        )
    yield "RS256, a byte more", made(rs, claims(), lambda text: b"\0" + rs256(text)), INVALID
    ed = {"alg": "EdDSA", "kid": "ed"}
    wide_ed = ed448.Ed448PrivateKey.generate()
    yield "EdDSA by another curve", made(ed, claims(), wide_ed.sign), INVALID
    yield "EdDSA, zeros", made(ed, claims(), bytes(64)), INVALID
    yield "EdDSA, a point of small order", made(ed, claims(), b"\1" + bytes(63)), INVALID
    yield "EdDSA, short", made(ed, claims(), lambda text: ED_KEY.sign(text)[:-1]), INVALID
    hs = {"alg": "HS256", "kid": "hs"}
    yield "HS256, half of it", made(hs, claims(), lambda text: mac(text)[:16]), INVALID
    yield "HS256, one byte", made(hs, claims(), lambda text: mac(text)[:1]), INVALID
    yield (
        "HS256 of the claims alone",
        made(hs, claims(), lambda text: mac(text.split(b".")[1])),
        INVALID,
    )
