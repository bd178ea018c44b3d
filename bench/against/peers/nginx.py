"""nginx with Lua and Redis: plain, with proxy_cache, and tuned (servers/nginx/gate.lua).

Of the tuned ones, the first serves playlists from proxy_cache, as one does it; the last, from the
worker's own memory, which is the cheapest that was found.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template

from bench.against import world
from bench.against.peers.terms import ADMIT, Terms
from bench.against.processes import Process, output

HERE = Path(__file__).parents[1] / "servers/nginx"
NEEDED = {
    "libnginx-mod-http-lua": Path("/usr/lib/nginx/modules/ngx_http_lua_module.so"),
    "lua-nginx-redis": Path("/usr/share/lua/5.1/nginx/redis.lua"),
    "lua-cjson": Path("/usr/share/lua/5.1/cjson"),
}
CACHE = """
            proxy_cache manifests;
            proxy_cache_key $uri;
            proxy_cache_valid 200 1s;
            proxy_cache_lock on;
            proxy_cache_use_stale updating;"""
# Files of the cache stay open: a tenth less for each answer. sendfile was tried, and costs more.
OPEN_FILES = "open_file_cache max=1000 inactive=60s; open_file_cache_valid 10s;"
PROXIED = """
            access_by_lua_block { gate.child() }
            proxy_pass http://origin$uri;"""
FROM_MEMORY = """
            content_by_lua_block { gate.child() gate.playlist() }"""


@dataclass(frozen=True, slots=True)
class Nginx:
    name: str
    title: str
    cache: bool
    tuned: bool = False
    memory: bool = False

    def missing(self) -> str | None:
        absent = [package for package, file in NEEDED.items() if not file.exists()]
        if not shutil.which("nginx"):
            absent.insert(0, "nginx")
        return f"apt-get install {' '.join(absent)}" if absent else None

    def version(self) -> str:
        packages = output(["dpkg-query", "--show", *NEEDED]).split()
        of_lua = packages[packages.index("libnginx-mod-http-lua") + 1] if packages else "?"
        return f"{output(['nginx', '-v']).strip().rpartition(' ')[2]}, Lua module {of_lua}"

    def process(self, terms: Terms) -> Process:
        text = Template((HERE / "nginx.conf").read_text()).substitute(
            user="user root;" if os.geteuid() == 0 else "",
            origin=terms.origin,
            here=HERE,
            script=ADMIT,
            token_secret=world.JWT_SECRET,
            token_pem=world.public_pem(),
            ticket_secret=world.TICKET_SECRET,
            redis_port=terms.redis_port,
            limit=world.LIMIT,
            ttl=terms.ttl,
            tuned="true" if self.tuned else "false",
            port=terms.port,
            files=OPEN_FILES if self.tuned else "",
            cache=CACHE if self.cache else "",
            child=FROM_MEMORY if self.memory else PROXIED,
        )
        (terms.folder / "nginx.conf").write_text(text)
        return Process(
            *("nginx", "-p", str(terms.folder), "-c", "nginx.conf"),
            core=terms.core,
            log=terms.folder / "nginx.log",
        )

    def ready(self, terms: Terms) -> str:
        return f"http://127.0.0.1:{terms.port}/ready"


PLAIN = Nginx("nginx-plain", "nginx + Lua + Redis", cache=False)
CACHED = Nginx("nginx-cache", "nginx + Lua + Redis + proxy_cache", cache=True)
TUNED = Nginx(
    "nginx-tuned", "nginx + Lua, token cache + lease + proxy_cache", cache=True, tuned=True
)
MEMORY = Nginx(
    "nginx-memory",
    "nginx + Lua, token cache + lease, playlists in its memory",
    cache=True,
    tuned=True,
    memory=True,
)
