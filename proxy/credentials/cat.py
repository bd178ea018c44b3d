"""Common Access Tokens (CTA-5007): CBOR Web Tokens (RFC 8392) in a COSE envelope (RFC 9052).

The package ``cwt`` does the cryptography. It comes with the extra ``playgate[cat]``, so this module
is imported only where such tokens are taken. Reading is our own (``cbor``), so that what is not
verified yet builds nothing. What a claim means is the same as in a JSON Web Token:
account, plan, limit and device are read by the same code, the registered names first turned from
numbers into those of ``auth.claims``.
"""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cbor2 import CBORTag
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cwt import COSE, COSEKey, CWTError

from proxy.credentials import cat_scope
from proxy.credentials.cbor import Tag, Value, read
from proxy.credentials.keys import HMAC_ALGORITHMS, Key, KeyRing, Sought
from proxy.credentials.networks import Networks
from proxy.credentials.token import MAX_TOKEN_LENGTH, KeyUnknown, TokenRules, TokenVerifier
from proxy.errors import TokenExpired, TokenInvalid
from proxy.model import Clock, Token

CWT_TAG, MAC0_TAG, SIGN1_TAG = 61, 17, 18
# COSE header parameters (RFC 9052 §3.1).
ALG, CRIT, KID = 1, 2, 4
# COSE algorithms by the names keys have (RFC 9053 §2 and §3.1, RFC 8812 §2, RFC 8230 §2).
ALGORITHMS = {
    5: "HS256",
    6: "HS384",
    7: "HS512",
    -7: "ES256",
    -8: "EdDSA",
    -35: "ES384",
    -36: "ES512",
    -37: "PS256",
    -38: "PS384",
    -39: "PS512",
    -257: "RS256",
    -258: "RS384",
    -259: "RS512",
}
# The registered claims (RFC 8392 §4) by the names they have in a JSON Web Token.
REGISTERED = {1: "iss", 2: "sub", 3: "aud", 4: "exp", 5: "nbf", 6: "iat", 7: "jti"}
# What verifying hostile input raises beside the library's own.
VERIFICATION_ERRORS = (CWTError, ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class _Envelope:
    """COSE_Mac0 or COSE_Sign1, as it came; ``kid`` as the bytes it is."""

    tag: int
    parts: list[Any]
    algorithm: str
    kid: bytes | None
    claims: Mapping[int | str, Value]

    @property
    def sought(self) -> Sought:
        issuer = self.claims.get(1)
        return Sought(
            self.algorithm,
            None if self.kid is None else self.kid.decode("utf-8", "surrogateescape"),
            issuer if isinstance(issuer, str) else None,
        )


class CatVerifier:
    """Verifies Common Access Tokens with the keys and rules of other tokens."""

    def __init__(
        self,
        keys: KeyRing,
        rules: TokenRules,
        tokens: TokenVerifier,
        networks: Networks,
        now: Clock,
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._tokens = tokens
        self._networks = networks
        self._now = now

    def verify(self, text: str) -> Token:
        """Verify a token and read its claims.

        Raises:
            TokenInvalid: not such a token, or a claim is missing, malformed or cannot be checked.
            KeyUnknown: no key that is there verifies it; it is a TokenInvalid.
            TokenExpired: good once, expired now.
        """
        try:
            envelope = _opened(text)
        except ValueError as error:
            raise TokenInvalid("This is not a Common Access Token.") from error
        self._check_signature(envelope)
        claims = dict(_named(envelope.claims))
        self._check_registered(claims)
        token = self._tokens.read(claims)
        try:
            scope = cat_scope.scope(envelope.claims)
            networks = map(self._networks.sealed, cat_scope.networks(envelope.claims))
            subject = replace(token.subject, networks=tuple(networks), confined=scope is not None)
        except ValueError as error:
            raise TokenInvalid(f"The token cannot be checked here: {error}.") from error
        return replace(token, subject=subject, scope=scope)

    def _check_signature(self, envelope: _Envelope) -> None:
        message = CBORTag(envelope.tag, envelope.parts)
        for key in self._keys.candidates(envelope.sought):
            try:
                COSE.new().decode(message, _cose_key(key, envelope.kid))
            except VERIFICATION_ERRORS:
                continue
            return
        raise KeyUnknown(envelope.sought)

    def _check_registered(self, claims: Mapping[str, Any]) -> None:
        """Check the claims that PyJWT checks of a JSON Web Token, in the same way."""
        rules, now = self._rules, self._now()
        for name in ("exp", "nbf", "iat"):
            _check_date(claims, name)
        if "exp" not in claims:
            raise TokenInvalid("The token has no 'exp' claim.")
        if claims["exp"] <= now - rules.leeway:
            raise TokenExpired
        if max(claims.get("nbf", 0), claims.get("iat", 0)) > now + rules.leeway:
            raise TokenInvalid("The token is not valid yet.")
        if rules.issuers and claims.get("iss") not in rules.issuers:
            raise TokenInvalid("The token is from another issuer.")
        audience = claims.get("aud", [])
        listed = audience if isinstance(audience, list) else [audience]
        if rules.audience and not any(each in rules.audience for each in listed):
            raise TokenInvalid("The token is for another audience.")


def _opened(text: str) -> _Envelope:
    """Read the envelope of a token in base64url (CTA-5007), tagged or not.

    Raises:
        ValueError: it is none.
    """
    if len(text) > MAX_TOKEN_LENGTH or not text.isascii():
        raise ValueError("too long, or no base64url")
    unpadded = text.rstrip("=")
    message = read(b64decode(unpadded + "=" * (-len(unpadded) % 4), altchars=b"-_", validate=True))
    tags = []
    while isinstance(message, Tag):
        tags.append(message.number)
        message = message.value
    match message:
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            # The library reads the header again before it verifies, and builds what is tagged.
            header, claims = read(protected, tags=False), read(payload)
        case _:
            raise ValueError("no envelope")
    if not isinstance(header, dict) or not isinstance(claims, dict) or CRIT in header:
        raise ValueError("no header, no claims, or an extension that is not known")
    match header.get(ALG), header.get(KID, unprotected.get(KID)):
        case int(number), (bytes() | None) as kid if number in ALGORITHMS:
            algorithm = ALGORITHMS[number]
        case _:
            raise ValueError("no algorithm that is known, or a key id that is none")
    tag = MAC0_TAG if algorithm in HMAC_ALGORITHMS else SIGN1_TAG
    if tags not in ([], [tag], [CWT_TAG], [CWT_TAG, tag]):
        raise ValueError("tagged as something else")
    kid_header = {} if kid is None else {KID: kid}
    return _Envelope(tag, [protected, kid_header, payload, signature], algorithm, kid, claims)


def _cose_key(key: Key, kid: bytes | None) -> Any:
    """Give a key in the library's form; under the token's own name, by which it was chosen."""
    name = kid or b""
    if key.algorithm in HMAC_ALGORITHMS:
        return COSEKey.from_symmetric_key(key.verifying, alg=key.algorithm, kid=name)
    pem = key.verifying.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return COSEKey.from_pem(pem, alg=key.algorithm, kid=name)


def _named(claims: Mapping[int | str, Value]) -> Iterator[tuple[str, Any]]:
    """Give the claims that have the same meaning in a JSON Web Token, under their names there."""
    for claim, value in claims.items():
        if claim == 7:
            if not isinstance(value, bytes):
                raise TokenInvalid("The token's 'cti' claim is no byte string.")
            yield REGISTERED[claim], value.hex()
        elif isinstance(claim, int):
            if claim in REGISTERED:
                yield REGISTERED[claim], value
        elif claim.startswith("cdni"):
            raise TokenInvalid("URI signing restricts JSON Web Tokens only (RFC 9246).")
        elif claim in REGISTERED.values() or claim in cat_scope.RESTRICTING:
            # Read by nobody, it would restrict nothing.
            raise TokenInvalid(f"A Common Access Token has {claim!r} by its number.")
        else:
            yield claim, value


def _check_date(claims: Mapping[str, Any], name: str) -> None:
    value = claims.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        raise TokenInvalid(f"The token's {name!r} claim is no date.")
