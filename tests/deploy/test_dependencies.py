"""What Playgate is made of: bounded, and in no version that has a fault which matters here.

``.ci/audit`` asks who publishes faults. This needs no network, and holds what was learned of them:
no installation may end with a version of before, whatever else it wants.
"""

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.deploy.rendered import ROOT

pytestmark = pytest.mark.deploy

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SHIPPED = [
    Requirement(text)
    for text in (
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["cat"],
        *PROJECT["optional-dependencies"]["otel"],
    )
]
# The newest versions that a fault was in, and what it was.
FAULTY = {
    "aiohttp": ("3.14.2", "CVE-2026-69243, CVE-2026-69244, CVE-2026-59881"),
    "brotli": ("1.1.0", "CVE-2025-6176: decompression without a bound"),
    "cbor2": ("5.8.0", "CVE-2026-26209: recursion; CVE-2025-68131: values of another message"),
    "cryptography": ("46.0.6", "CVE-2026-39892: overflow; CVE-2026-26007: points of no group"),
    "gunicorn": ("21.2.0", "CVE-2024-1135: request smuggling"),
    "joserfc": ("1.7.2", "CVE-2026-75509: issuers in a list"),
    "PyJWT": ("2.11.0", "CVE-2026-32597: critical fields that are not understood"),
    "PyYAML": ("5.3.1", "CVE-2020-14343: code in a file"),
    "redis": ("4.5.3", "CVE-2023-28859: answers of another request"),
}


@pytest.mark.parametrize("requirement", SHIPPED, ids=lambda requirement: requirement.name)
def test_each_dependency_has_a_lower_bound_and_one_above(requirement: Requirement) -> None:
    operators = {bound.operator for bound in requirement.specifier}
    assert operators >= {">=", "<"}


@pytest.mark.parametrize("name", FAULTY)
def test_no_version_with_a_known_fault_can_be_installed(name: str) -> None:
    (bounds,) = [each.specifier for each in SHIPPED if each.name.lower() == name.lower()]
    version, fault = FAULTY[name]
    assert isinstance(bounds, SpecifierSet)
    assert version not in bounds, fault
