"""Opens so many connections and asks nothing; tells when all are open, and when all were closed.

A process of its own: those of a proxy and its clients together are more than one may have open.
"""

import selectors
import socket
import sys

port, number = map(int, sys.argv[1:])
waiting = selectors.DefaultSelector()
for _ in range(number):
    waiting.register(socket.create_connection(("127.0.0.1", port)), selectors.EVENT_READ)
print("open", flush=True)  # noqa: T201  # heard by the test
while waiting.get_map():
    for key, _ in waiting.select():
        waiting.unregister(key.fileobj)
print("closed", flush=True)  # noqa: T201  # heard by the test
