"""Images: of a base of a version, for a user without rights, and with nothing to spare."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tests.containers.files import DOCKERFILES, ROOT, instruction

PLAYGATE = ROOT / "Dockerfile"

pytestmark = pytest.mark.deploy

every_dockerfile = pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)


def lines(file: Path, name: str) -> list[str]:
    """Give what stands behind an instruction, each time."""
    text = re.sub(r"\\\n(\s*#.*\n)*\s*", " ", file.read_text())
    return re.findall(rf"^{name} +(.*)$", text, re.MULTILINE)


def labels(file: Path) -> dict[str, str]:
    """Give the labels of the image, by what comes behind ``org.opencontainers.image.``."""
    pairs = (pair.partition("=") for line in lines(file, "LABEL") for pair in shlex.split(line))
    return {name.removeprefix("org.opencontainers.image."): value for name, _, value in pairs}


@every_dockerfile
def test_all_images_have_one_base_of_an_exact_version(file: Path) -> None:
    (base,) = [value for value in lines(file, "ARG") if value.startswith("BASE=")]
    assert re.fullmatch(r"BASE=python:3\.\d+\.\d+-slim-bookworm", base)
    assert base == lines(PLAYGATE, "ARG")[0]
    assert all(value.split()[0] == "${BASE}" for value in lines(file, "FROM"))


@every_dockerfile
def test_a_container_runs_as_a_user_without_rights_by_number(file: Path) -> None:
    assert lines(file, "USER") == ["10001:10001"]


@every_dockerfile
def test_the_process_hears_signals_itself(file: Path) -> None:
    """No shell stands between it and the engine."""
    for name in ("ENTRYPOINT", "CMD"):
        assert all(line.startswith("[") for line in lines(file, name))


@every_dockerfile
def test_an_image_says_what_it_is(file: Path) -> None:
    told = labels(file)
    assert {"title", "description", "licenses"} <= set(told)
    assert told["licenses"] == "Apache-2.0"


def test_playgates_image_says_its_version_and_what_it_is_made_of() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"VERSION={version}" in lines(PLAYGATE, "ARG")
    told = labels(PLAYGATE)
    assert (told["version"], told["base.name"]) == ("${VERSION}", "${BASE}")


def test_the_optional_parts_that_are_installed_are_parts_there_are() -> None:
    (extras,) = [value for value in lines(PLAYGATE, "ARG") if value.startswith("EXTRAS=")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras.removeprefix("EXTRAS=").split(",")) <= set(project["optional-dependencies"])


@every_dockerfile
def test_nothing_gets_to_the_builder_but_what_is_copied(file: Path) -> None:
    ignored = (file.parent / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    # The last word is where it goes; what comes from another stage is no file of ours.
    own = [line.split()[:-1] for line in lines(file, "COPY") if "--from=" not in line]
    assert let_in == {name for names in own for name in names}
    for name in let_in:
        assert list(file.parent.glob(name)), name


def test_what_is_left_of_playing_around_gets_into_no_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"**/__pycache__", "**/*.py[co]"} <= set(ignored)


def test_the_image_is_well_when_it_can_serve() -> None:
    assert "/readyz" in instruction(PLAYGATE, "HEALTHCHECK")[-1]
    assert lines(PLAYGATE, "STOPSIGNAL") == ["SIGTERM"]
