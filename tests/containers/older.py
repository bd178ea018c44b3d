"""What has to be said otherwise where services are processes of one machine, and a busy one.

nginx on Debian 12 is older than the image's: what it does not know is said in the way it knows, or
left out where names are addresses anyway.
"""

import os
import pwd
import re
import subprocess
from functools import cache

from tests.support import needs

# From these on nginx knows the directive `http2`, and `resolve` of an upstream's server.
HTTP2, RESOLVE = (1, 25, 1), (1, 27, 3)


def fitted(name: str, text: str, address: str) -> str:
    """Fit a configuration file to this machine; ``address`` is that of its service."""
    if name == "nginx.conf":
        return _nginx(text, address)
    if name == "docs.conf":
        # Started by root it would ask for files as somebody who may not read those of a test.
        return f"user {pwd.getpwuid(os.geteuid()).pw_name};\n{_nginx(text, address)}"
    if name == "playgate.yaml":
        # Slow is not away.
        return re.sub(r'^(store: \{url: "[^"]*")\}', r"\1, timeout: 10s}", text, flags=re.MULTILINE)
    if name == "prometheus.yml":
        # So that nobody waits for it.
        return re.sub(r"(_interval): 15s", r"\1: 1s", text)
    return text


def _nginx(text: str, address: str) -> str:
    text = re.sub(r"\blisten (\d+)(?=[ ;])", rf"listen {address}:\1", text)
    # Else it would come to the proxies from the address that everything here comes from.
    text = text.replace("http {", f"http {{\n    proxy_bind {address};", 1)
    if _version() < RESOLVE:
        text = text.replace(" resolve ", " ")
    if _version() < HTTP2:
        text = re.sub(r"^ *http2 on;\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"^( *listen .* ssl);", r"\1 http2;", text, flags=re.MULTILINE)
    return text


@cache
def _version() -> tuple[int, ...]:
    program = needs.program("nginx", install="apt-get install nginx")
    told = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", told)
    assert found, told
    return tuple(map(int, found.groups()))
