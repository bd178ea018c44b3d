"""``python -m proxy`` is the ``playgate`` command."""

from proxy.cli import main

main()
