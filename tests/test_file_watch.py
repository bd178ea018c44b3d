"""The configuration's files are replaced in all the ways there are, and one reload follows each."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy import file_watch
from proxy.background import in_thread
from proxy.file_watch import FileWatch
from proxy.settings.load import ConfigError
from proxy.settings.reload import ConfigFile
from tests.settings.samples import minimal
from tests.support.good_secrets import secret

KEYS = {"keys": [{"algorithm": "HS256", "secret_file": "jwt.secret"}]}


def written(**settings: Any) -> str:
    return yaml.safe_dump(minimal(**{"auth": KEYS, **settings}))


@dataclass
class Watched:
    """A folder with a configuration in it, the watch over that, and what came of each reload."""

    folder: Path
    wanted: bool = True
    reloads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path = self.folder / "playgate.yaml"
        self.secret = self.folder / "jwt.secret"
        self.file = ConfigFile(self.path, {})
        self.watch = FileWatch(self.file, lambda: self.wanted, self.reload)

    async def reload(self) -> None:
        try:
            settings = self.file.load()
        except ConfigError as error:
            self.reloads.append(error.problems[0].message)
            raise
        self.reloads.append(str(settings.limits.default))

    async def looked(self, times: int = 3) -> list[str]:
        """Look so often, and give all that was reloaded so far."""
        for _ in range(times):
            with suppress(ConfigError):
                await self.watch.look()
        return self.reloads


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(file_watch, "LOOK_SECONDS", 0)
    watched = Watched(tmp_path)
    watched.path.write_text(written())
    watched.secret.write_text(secret("j"))
    watched.file.load()
    return watched


async def test_a_file_that_is_written_in_place(watched: Watched) -> None:
    assert await watched.looked() == []
    watched.path.write_text(written(limits={"default": 5}))
    assert await watched.looked() == ["5"]


async def test_a_file_that_another_is_renamed_over(watched: Watched) -> None:
    for limit in (5, 6):
        new = watched.folder / ".playgate.yaml.swp"
        new.write_text(written(limits={"default": limit}))
        new.rename(watched.path)
        assert (await watched.looked())[-1] == str(limit)
    assert watched.reloads == ["5", "6"]


async def test_a_folder_whose_link_is_turned_round_as_kubernetes_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ConfigMap's files are links into ``..data``, itself a link, which is replaced whole."""
    monkeypatch.setattr(file_watch, "LOOK_SECONDS", 0)

    def publish(name: str, limit: int) -> None:
        version = tmp_path / name
        version.mkdir()
        (version / "playgate.yaml").write_text(written(limits={"default": limit}))
        (version / "jwt.secret").write_text(secret(f"{limit}"))
        (tmp_path / "..data_tmp").symlink_to(name)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    publish("..2026_01", 3)
    for name in ("playgate.yaml", "jwt.secret"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    watched = Watched(tmp_path)
    watched.file.load()
    assert await watched.looked() == []
    publish("..2026_02", 5)
    assert await watched.looked() == ["5"]


async def test_a_file_that_the_configuration_names(watched: Watched) -> None:
    watched.secret.write_text(secret("k"))
    assert await watched.looked() == ["3"]


async def test_a_bad_file_is_tried_once_and_a_good_one_again(watched: Watched) -> None:
    watched.path.write_text("limits: {default: 5")
    [problem] = await watched.looked(6)
    assert problem.startswith("not YAML")
    watched.path.write_text(written())
    assert await watched.looked() == [problem, "3"]


async def test_a_file_that_is_missing_is_waited_for(watched: Watched) -> None:
    """As where a configuration and its secrets are mounted from two places."""
    new = {"keys": [{"algorithm": "HS256", "secret_file": "new.secret"}]}
    watched.path.write_text(written(auth=new))
    missing = "cannot be read: no such file, counted from the configuration's folder"
    assert await watched.looked(6) == [missing]
    (watched.folder / "new.secret").write_text(secret("n"))
    assert await watched.looked() == [missing, "3"]


async def test_a_configuration_that_is_gone_for_a_while(watched: Watched) -> None:
    watched.path.unlink()
    gone = "cannot be read: No such file or directory"
    assert await watched.looked(6) == [gone]
    watched.path.write_text(written())
    assert await watched.looked() == [gone, "3"]


async def test_what_was_only_touched_or_written_as_it_was_is_no_change(watched: Watched) -> None:
    watched.path.touch()
    watched.secret.write_text(watched.secret.read_text())
    (watched.folder / "another.yaml").write_text("not ours")
    assert await watched.looked() == []


async def test_a_file_is_not_read_before_it_is_written_to_its_end(watched: Watched) -> None:
    for line in range(5):
        watched.path.write_text(f"# line {line} of a file that is still being written")
        assert await watched.looked(1) == []
    watched.path.write_text(written(limits={"default": 5}))
    assert await watched.looked(1) == []
    assert await watched.looked(1) == ["5"]


async def test_a_change_that_is_taken_back_at_once_is_none(watched: Watched) -> None:
    before = watched.path.read_text()
    watched.path.write_text(written(limits={"default": 5}))
    await watched.looked(1)
    watched.path.write_text(before)
    assert await watched.looked() == []


async def test_a_change_is_reloaded_once_it_is_wanted(watched: Watched) -> None:
    watched.wanted = False
    watched.path.write_text(written(limits={"default": 5}))
    assert await watched.looked() == []
    watched.wanted = True
    assert await watched.looked() == ["5"]


async def test_what_was_read_from_a_pipe_is_not_watched(tmp_path: Path) -> None:
    """``--config <(...)``: it can be read only once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = in_thread(lambda: pipe.write_text(yaml.safe_dump(minimal())))
    file = ConfigFile(pipe, {})
    file.load()
    writing.result()
    assert (file.found, file.look()) == ({}, {})
