import jwt
import pytest

from proxy.minting import MintError, mint
from proxy.settings.load import from_mapping
from tests.settings.samples import minimal

SECRET = "0123456789abcdef0123456789abcdef"
SET = {"algorithms": ["ES256"], "jwks_url": "https://id.example/jwks", "issuer": "https://id"}


def claims_of(*keys: object, **auth: object) -> dict[str, object]:
    settings = from_mapping(minimal(auth={"keys": list(keys), **auth}))
    claims = jwt.decode(mint(settings, account="alice"), options={"verify_signature": False})
    assert isinstance(claims, dict)
    return claims


def test_the_first_key_that_signs_is_used_beside_sets_that_cannot() -> None:
    assert claims_of(SET, {"algorithm": "HS256", "secret": SECRET})["sub"] == "alice"
    with pytest.raises(MintError, match="can sign: configure"):
        claims_of(SET)


def test_the_issuer_is_the_keys_or_else_the_first_that_is_taken() -> None:
    key = {"algorithm": "HS256", "secret": SECRET}
    assert "iss" not in claims_of(key)
    assert claims_of(key, issuer=["a", "b"])["iss"] == "a"
    assert claims_of({**key, "issuer": ["b", "c"]}, issuer=["c", "b"])["iss"] == "b"
