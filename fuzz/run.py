"""Fuzzes a target with atheris, from its corpus on: ``python -m fuzz.run TARGET [--seconds N]``.

What is found is written to ``build/fuzz/TARGET``, and told. A finding belongs into the corpus, by a
name that says what it is, together with what mends it.
"""

import argparse
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["proxy", "jwt", "yaml", "cbor2"]):
    from fuzz.targets import CORPUS, TARGETS

# An input that takes this long (seconds), or this much memory (MiB), is a finding as well.
SLOW, LARGE = 10, 2048
LONGEST = 64 * 1024


def main() -> None:
    """Fuzz, and end with libFuzzer's exit code."""
    options = argparse.ArgumentParser(prog="python -m fuzz.run")
    options.add_argument("target", choices=TARGETS)
    options.add_argument("--seconds", type=int, default=60)
    chosen = options.parse_args()
    found = Path("build/fuzz") / chosen.target
    (found / "corpus").mkdir(parents=True, exist_ok=True)
    arguments = [
        *(sys.argv[0], str(found / "corpus"), str(CORPUS / chosen.target)),
        *(f"-max_total_time={chosen.seconds}", f"-timeout={SLOW}", f"-rss_limit_mb={LARGE}"),
        *(f"-max_len={LONGEST}", f"-artifact_prefix={found}/", "-print_final_stats=1"),
    ]
    atheris.Setup(arguments, TARGETS[chosen.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
