"""Tokens that must not be believed: for what they say, or how it is spelled.

The attacks are those of RFC 8725 §2 and of the published flaws of JWT libraries.
"""

import json
from typing import Any

from tests.support.jws import (
    EXPIRED,
    FAR_OFF,
    INVALID,
    ISSUER,
    OPEN,
    Forgeries,
    claims,
    good,
    mac,
    made,
    part,
)


def forged_contents() -> Forgeries:
    """Every one of them."""
    for group in (
        _ambiguous_json,
        _odd_claims,
        _odd_dates,
        _odd_audiences,
        _odd_issuers,
        _odd_encodings,
    ):
        yield from group()


def _ambiguous_json() -> Forgeries:
    body = json.dumps(claims())[1:-1]
    header = b'{"alg":"HS256","kid":"hs"}'
    for name, payload in {
        "account twice": f'{{{body},"sub":"bob"}}',
        "account twice, one escaped": f'{{{body},"\\u0073ub":"bob"}}',
        "exp twice": f'{{"exp":1,{body}}}',
        "a name twice further in": f'{{{body},"x":{{"a":1,"a":2}}}}',
        "NaN": f'{{{body},"x":NaN}}',
        "Infinity": f'{{{body},"x":Infinity}}',
        "-Infinity": f'{{{body},"x":[-Infinity]}}',
        "an integer of 5000 digits": f'{{{body},"x":{"9" * 5000}}}',
        "nested without end": f'{{{body},"x":{"[" * 257}{"]" * 257}}}',
        "objects nested without end": f'{{{body},"x":{OPEN * 257}1{"}" * 257}}}',
        "a list": f"[{{{body}}}]",
        "a text": '"alice"',
        "a number": "7",
        "null": "null",
        "nothing": " ",
        "something behind": f"{{{body}}} x",
        "two objects": f"{{{body}}}{{}}",
        "a comma too many": f"{{{body},}}",
        "single quotes": "{'sub':'alice','exp':4000000000}",
        "a byte order mark": f"\ufeff{{{body}}}",
    }.items():
        yield f"claims: {name}", made(header, payload.encode(), mac), INVALID
    utf16 = f"{{{body}}}".encode("utf-16")
    yield "claims in UTF-16", made(header, utf16, mac), INVALID
    yield "claims in Latin-1", made(header, f'{{{body},"x":"é"}}'.encode("latin-1"), mac), INVALID
    yield "claims with a raw line end", made(header, f'{{{body},"x":"\n"}}'.encode(), mac), INVALID
    for name, text in {
        "alg twice": '{"alg":"none","alg":"HS256","kid":"hs"}',
        "kid twice": '{"alg":"HS256","kid":"x","kid":"hs"}',
        "a name twice further in": '{"alg":"HS256","kid":"hs","x":{"a":1,"a":1}}',
        "a list": '["alg","HS256"]',
        "null": "null",
        "nothing": "",
        "nested without end": f'{{"alg":"HS256","kid":"hs","x":{"[" * 257}{"]" * 257}}}',
        "NaN": '{"alg":"HS256","kid":"hs","x":NaN}',
    }.items():
        yield f"header: {name}", made(text.encode(), claims(), mac), INVALID
    yield "more than 8192 characters", good(claims(x="x" * 8000)), INVALID
    yield "a header of more than 8192 characters", good(claims(), x="x" * 8000), INVALID


def _odd_claims() -> Forgeries:
    names: list[Any] = [None, True, 1.5, "", [], ["alice"], {}, {"sub": "a"}, "a" * 257, "é" * 257]
    for odd in names:
        yield f"account {str(odd)[:30]!r}", good(claims(sub=odd)), INVALID
    without = claims()
    del without["sub"]
    yield "no account", good(without), INVALID
    for name in ("device_id", "plan", "jti"):
        for odd in (True, 1.5, "", [], ["x"], {}, "x" * 257):
            yield f"{name} {str(odd)[:30]!r}", good(claims(**{name: odd})), INVALID
    for odd in (True, "3", -1, 2.5, 10**6, 1e3, [], {}, float("1e300")):
        yield f"max_streams {odd!r}", good(claims(max_streams=odd)), INVALID


def _odd_dates() -> Forgeries:
    for exp in (1, 0, -1, -0.5, 1.5, -(2**40)):
        yield f"exp {exp!r}", good(claims(exp=exp)), EXPIRED
    for name in ("exp", "nbf", "iat"):
        odd_dates: list[Any] = ["4000000000", "1", "", None, True, [], [1], {}, 2**53, 10**400]
        for odd in odd_dates:
            yield f"{name} {str(odd)[:30]!r}", good(claims(**{name: odd})), INVALID
        for written in ("1e400", "-1e400", "NaN", "Infinity", "01", "1_000", "0x7fffffff"):
            body = claims()
            body.pop(name, None)
            raw = f'{json.dumps(body)[:-1]},"{name}":{written}}}'.encode()
            yield f"{name} written {written}", good(raw), INVALID
    yield "not yet", good(claims(nbf=FAR_OFF)), INVALID
    yield "from the future", good(claims(iat=FAR_OFF)), INVALID
    without = claims()
    del without["exp"]
    yield "no exp", good(without), INVALID


def _odd_audiences() -> Forgeries:
    for odd in (
        *(None, "", "radio", "Video", "video ", "vide", 7, True, [], ["radio"], [7], ["video", 7]),
        *([["video"]], {"video": 1}, [None], ["video\0"]),
    ):
        yield f"aud {odd!r}", good(claims(aud=odd)), INVALID
    without = claims()
    del without["aud"]
    yield "no aud", good(without), INVALID


def _odd_issuers() -> Forgeries:
    for odd in (
        *(None, "", f"{ISSUER}/", ISSUER.upper(), f" {ISSUER}", [ISSUER], {ISSUER: 1}, 7, True),
        *("https://id.example.evil", "https://\u0131d.example"),
    ):
        yield f"iss {odd!r}", good(claims(iss=odd)), INVALID
    without = claims()
    del without["iss"]
    yield "no iss", good(without), INVALID


def _odd_encodings() -> Forgeries:
    header, payload, signature = good(claims()).split(".")
    padded = [each + "=" * (-len(each) % 4 or 4) for each in (header, payload, signature)]
    stray = _stray(signature)
    for name, text in {
        "padded": ".".join(padded),
        "signature padded": f"{header}.{payload}.{signature}=",
        "stray bits in the signature": f"{header}.{payload}.{stray}",
        "a space inside": f"{header}.{payload[:9]} {payload[9:]}.{signature}",
        "a line end inside": f"{header}.{payload[:9]}\n{payload[9:]}.{signature}",
        "a line end behind": f"{header}.{payload}.{signature}\n",
        "a zero behind": f"{header}.{payload}.{signature}\0",
        "two parts": f"{header}.{payload}",
        "one part": header,
        "four parts": f"{header}.{payload}.{signature}.{signature}",
        "a dot before": f".{header}.{payload}.{signature}",
        "a dot behind": f"{header}.{payload}.{signature}.",
        "dots alone": "..",
        "no header": f".{payload}.{signature}",
        "no claims": f"{header}..{signature}",
        "one character too few for a byte": f"{header}.{payload}A.{signature}",
        "another alphabet": f"{header}.{payload}.{signature[:-2]}+/",
        "letters that look alike": f"{header}.{payload}.{signature[:-1]}а",  # noqa: RUF001  # Cyrillic on purpose
        "digits of elsewhere": f"{header}.{payload}.{signature[:-1]}٣",
        "twice": f"{good(claims())}{good(claims())}",
        "in quotes": f'"{good(claims())}"',
        "with its scheme": f"Bearer {good(claims())}",
    }.items():
        yield f"spelled {name}", text, INVALID
    # Signed over the odd spelling, so that only the spelling is wrong.
    for name, document in {"header": {"alg": "HS256", "kid": "hs"}, "claims": claims()}.items():
        raw = json.dumps(document).encode()
        odd = _stray(part(raw + b" " * (2 - len(raw) % 3)))
        signed = f"{odd}.{payload}" if name == "header" else f"{header}.{odd}"
        yield f"stray bits in the {name}", f"{signed}.{part(mac(signed.encode()))}", INVALID
    signed = f"{header}.{payload}=="
    yield "padded and signed so", f"{signed}.{part(mac(signed.encode()))}", INVALID


def _stray(text: str) -> str:
    """The same bytes in another spelling: with a bit beyond the last one set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) | 1]
