"""What ``make lint`` looks at."""

import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
FOLDERS = ("config", "deploy")


def configurations() -> set[str]:
    """Find the proxy's configurations by what is in them, wherever they lie."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.y*ml")]
    found = set()
    for file in files:
        for document in yaml.safe_load_all(file.read_text()):
            if isinstance(document, dict) and {"auth", "tickets", "routes"} <= document.keys():
                found.add(str(file.relative_to(ROOT)))
    return found


def test_every_configuration_in_the_tree_is_checked() -> None:
    planned = subprocess.run(
        ["make", "--dry-run", "lint"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    [line] = [line for line in planned.splitlines() if "playgate check" in line]
    looked_at = {word for word in line.replace(";", " ").split() if word.endswith(".yaml")}
    assert looked_at == configurations()
    assert len(looked_at) >= 4
