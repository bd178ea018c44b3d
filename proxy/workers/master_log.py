"""What gunicorn's master says, in our log."""

from typing import Any

import structlog
from gunicorn.config import Config

log = structlog.get_logger("playgate")


class MasterLog:
    """What the master takes for gunicorn's logger. What it says for information is for us alone."""

    def __init__(self, cfg: Config) -> None:
        self.setup(cfg)

    def setup(self, cfg: Config) -> None:
        """Change nothing: our log is set up by our own configuration."""
        self.cfg = cfg

    def debug(self, message: str, *about: Any, **_: Any) -> None:
        """Say what helps to find a mistake."""
        log.debug(_text(message, about))

    info = debug

    def warning(self, message: str, *about: Any, **_: Any) -> None:
        """Say what should not happen."""
        log.warning(_text(message, about))

    def error(self, message: str, *about: Any, exc_info: bool = False) -> None:
        """Say what went wrong."""
        log.error(_text(message, about), exc_info=exc_info)

    critical = error

    def exception(self, message: str, *about: Any) -> None:
        """Say what went wrong, and where."""
        log.error(_text(message, about), exc_info=True)  # noqa: LOG014  # gunicorn is in one

    def reopen_files(self) -> None:
        """Do nothing: there are no files."""

    def close_on_exec(self) -> None:
        """Do nothing: there are no files."""


def _text(message: str, about: tuple[Any, ...]) -> str:
    return message % about if about else message
