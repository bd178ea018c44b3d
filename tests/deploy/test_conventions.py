"""What a pull request's titles are held against."""

import subprocess
import sys
from pathlib import Path

import pytest
from conventions import message_faults, title_faults

pytestmark = pytest.mark.deploy

SCRIPT = Path(__file__).parents[2] / ".ci/conventions.py"


@pytest.mark.parametrize(
    "title",
    [
        "Count no keep-alive entry that is numbered far ahead of time",
        "Say what Redis 7.4 is asked",
        "Feed the store",
        "Bring it back",
        "Pass over claims",
        "Process what is left",
        "Focus the list",
        "Let an account with braces in its name be listed, ended and revoked",
    ],
)
def test_an_order_in_one_sentence_is_good(title: str) -> None:
    assert list(title_faults(title)) == []


@pytest.mark.parametrize(
    ("title", "fault"),
    [
        ("add a check", "capital"),
        ("Add a check.", "full stop"),
        ("Add a check ", "space"),
        ("Add a check. Remove another", "more than one sentence"),
        ("Added a check", "'Added'"),
        ("Adding a check", "'Adding'"),
        ("Adds a check", "'Adds'"),
        ("WIP add a check", "not finished"),
        ("fixup! Add a check", "not finished"),
        ("A" * 73, "73 characters"),
        ("", "capital"),
    ],
)
def test_any_other_title_is_told_why(title: str, fault: str) -> None:
    assert fault in "; ".join(title_faults(title))


def test_a_body_follows_after_an_empty_line() -> None:
    assert list(message_faults("Add a check\n\nIt was missing.\n")) == []
    assert list(message_faults("Add a check\n")) == []
    assert list(message_faults("Add a check\nIt was missing.\n")) == [
        "has no empty line after its title"
    ]


class Repository:
    """A repository with a few commits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "core.hooksPath=")
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True)

    def commit(self, message: str) -> None:
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def lint(self, title: str, body: str, commits: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, SCRIPT, "--title", title, "--body", body, "--commits", commits],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )


def test_all_commits_of_the_range_are_looked_at_and_none_before(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.commit("this was before.")
    repository.git("tag", "base")
    repository.commit("Add a door\n\nPlayers come in by it.")
    good = repository.lint("Add a door", "Players come in by it.", "base..HEAD")
    assert (good.returncode, good.stderr) == (0, "")
    repository.commit("Painted the door")
    repository.commit("close it")
    bad = repository.lint("Add a door.", " \n", "base..HEAD")
    assert bad.returncode == 1
    told = bad.stderr.splitlines()
    assert len(told) == 4
    assert "title ends with a full stop" in told[0]
    assert "description is empty" in told[1]
    assert "(close it)" in told[2]
    assert "(Painted the door)" in told[3]
