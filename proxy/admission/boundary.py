"""Where calls to a store leave the proxy: each is heard of, and its failure has one name inside."""

from collections.abc import Callable
from time import perf_counter
from types import TracebackType

from proxy.errors import StoreUnavailable

# Hears of a call: operation, seconds, success.
Observe = Callable[[str, float, bool], None]


def unobserved(operation: str, seconds: float, succeeded: bool, /) -> None:  # noqa: FBT001  # a callback
    """Take no notice of a call."""


class Boundary:
    """The context of a call.

    Raises:
        StoreUnavailable: in place of whatever went wrong in it.
    """

    __slots__ = ("_begun", "_observe", "_operation")

    def __init__(self, observe: Observe, operation: str) -> None:
        self._observe = observe
        self._operation = operation

    def __enter__(self) -> None:
        self._begun = perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Anything: a client library may raise what it likes, and so may the reading of an answer
        # that is none (another server on that port). None of it may become a 500.
        if error is None or isinstance(error, Exception):
            self._observe(self._operation, perf_counter() - self._begun, error is None)
        if isinstance(error, Exception):
            raise StoreUnavailable from error
