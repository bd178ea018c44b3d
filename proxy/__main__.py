"""``playgate``, which ``python -m proxy`` is too: the command, and what has to come before it."""

import sys

from proxy.signals import hold


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] == ["serve"]:
        hold()
    from proxy.cli import main as command  # noqa: PLC0415  # takes a second, in which signals come

    command()


if __name__ == "__main__":
    main()
