"""The corpus of attacks on tokens, against the verifier."""

import json

import pytest

from proxy.credentials.account import AccountNames
from proxy.credentials.keys import KeyRing
from proxy.credentials.token import TokenRules, TokenVerifier
from proxy.errors import Unauthenticated
from proxy.settings.load import from_mapping
from proxy.token_keys import fixed_keys
from tests.settings.samples import minimal
from tests.support import jws
from tests.support.forged_contents import forged_contents
from tests.support.forged_signatures import forged_signatures
from tests.support.signing import SIGNED_URIS

CORPUS = {name: (text, code) for name, text, code in (*forged_signatures(), *forged_contents())}
SETTINGS = from_mapping(
    minimal(auth={"keys": jws.keys(), "issuer": jws.ISSUER, "audience": jws.AUDIENCE})
)
VERIFIER = TokenVerifier(
    KeyRing(tuple(fixed_keys(SETTINGS.auth))),
    TokenRules(issuers=(jws.ISSUER,), audience=(jws.AUDIENCE,)),
    AccountNames(b"a" * 32),
    SIGNED_URIS,
)


def test_what_the_forgeries_are_made_of_is_good_by_itself() -> None:
    """Or each of them might be refused for another reason than it is there for."""
    good = jws.claims()
    for header, sign in (
        ({"alg": "HS256", "kid": "hs"}, jws.mac),
        ({"alg": "RS256", "kid": "rs"}, jws.rs256),
        ({"alg": "ES256", "kid": "es"}, jws.es256),
        ({"alg": "EdDSA", "kid": "ed"}, jws.ED_KEY.sign),
    ):
        assert VERIFIER.verify(jws.made(header, good, sign)).subject.account
    assert VERIFIER.verify(jws.good(jws.claims(aud=["x", "video"]))).subject.account
    assert VERIFIER.verify(jws.good(json.dumps(good).encode() + b" \n")).subject.account


@pytest.mark.parametrize("name", CORPUS)
def test_a_forgery_is_refused_by_its_code_and_repeats_nothing(name: str) -> None:
    text, code = CORPUS[name]
    with pytest.raises(Unauthenticated) as caught:
        VERIFIER.verify(text)
    assert caught.value.code == code
    for secret in ("alice", "canary", jws.ISSUER, *filter(None, text.split("."))):
        assert len(secret) < 5 or secret not in caught.value.detail
