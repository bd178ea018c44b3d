"""The configuration that the pages show: each part of it is good as it stands."""

import json
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import OKPAlgorithm

from proxy.settings.load import load
from tests.settings.editors import as_an_editor_reads, complaints
from tests.support.good_secrets import secret

DOCS = Path(__file__).parents[2] / "docs"
KEYS = "keys: [{algorithm: HS256, secret: '${PLAYGATE_JWT_SECRET}'}]"
REST = {
    "auth": f"auth: {{{KEYS}}}\n",
    "tickets": "tickets: {secret: '${PLAYGATE_TICKET_SECRET}'}\n",
    "routes": "routes: [{name: live, path: /**, origins: ['http://origin:8000']}]\n",
}
SECRETS = {
    "PLAYGATE_JWT_SECRET": secret("j"),
    "PLAYGATE_TICKET_SECRET": secret("t"),
    "PLAYGATE_ADMIN_TOKEN": "admin-token-canary",
    "REDIS_PASSWORD": "redis-password-canary",
}


def shown() -> list[tuple[str, str]]:
    """Give the blocks of YAML that are sections of the configuration, by their page."""
    return [
        (page.name, block)
        for page in sorted(DOCS.glob("*.md"))
        for block in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the pages' configurations lie in, with the files they name."""
    folder = tmp_path_factory.mktemp("documented")
    ours = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = ours.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "claims.key").write_bytes(pem)
    theirs = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = theirs.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "es256.pem").write_bytes(pem)
    jwk = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True)
    (folder / "keys.json").write_text(json.dumps({"keys": [jwk]}))
    return folder


@pytest.mark.parametrize(("page", "block"), shown())
def test_a_configuration_in_the_documentation_is_good_for_us_and_for_editors(
    page: str, block: str, files: Path
) -> None:
    sections = re.findall(r"^(\w+):", block, re.MULTILINE)
    missing = (text for key, text in REST.items() if key not in sections)
    if "  keys:" not in block:
        block = block.replace("auth:\n", f"auth:\n  {KEYS}\n")
    text = block + "".join(missing)
    file = files / page
    file.write_text(text)
    load(file, SECRETS)
    assert complaints(as_an_editor_reads(text)) == []
