"""What is logged: what the issuer does, its failures, and nothing that a client sent."""

import logging

from aiohttp.http_exceptions import HttpProcessingError


def set_up() -> None:
    """Log to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("aiohttp.server").addFilter(is_ours)


def is_ours(record: logging.LogRecord) -> bool:
    """Tell a failure from a request that cannot be parsed.

    aiohttp tells of the latter with a piece of it, which may be a session's cookie or a password.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
