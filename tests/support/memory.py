"""What Python's objects take of memory, as ``tracemalloc`` has seen it."""

import gc
import tracemalloc

# No object that a request leaves is as long. CPython's table of interned strings is, and it is
# allocated anew, all of its megabytes, whenever the strings of a whole run of tests have filled it.
MAX_OBJECT_BYTES = 256 * 1024


def kept_bytes() -> int:
    """Give the bytes of all objects since ``tracemalloc.start``, but for such tables."""
    gc.collect()
    traces = tracemalloc.take_snapshot().traces
    return sum(trace.size for trace in traces if trace.size <= MAX_OBJECT_BYTES)
