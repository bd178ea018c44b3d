"""The URL of the store: this process, one Redis, one that sentinels watch, or a cluster.

It is checked down to its options, so that no client library meets a surprise, and no message
repeats it or a part of it: it may hold passwords. A file that it names is tried on like others, and
its path counts from the configuration's folder, too: what is kept has it in full.
"""

import re
from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, quote, unquote_plus, urlsplit

from pydantic import (
    AfterValidator,
    Secret,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from proxy.settings.files import load_file
from proxy.settings.material import check_authorities
from proxy.settings.types import MASK
from proxy.settings.urls import VISIBLE, parse_authority

MEMORY = "memory://"
# What redis-py takes from a URL and an operator may need. Its other options belong to settings of
# ours, or would change under our feet what a request waits for.
PROTOCOL = {"protocol": re.compile(r"[23]")}
DATABASE = {"db": re.compile(r"[0-9]{1,5}")}
AUTHORITIES = "ssl_ca_certs"
TLS_OPTIONS = {
    AUTHORITIES: re.compile(r".+"),
    "ssl_cert_reqs": re.compile(r"none|optional|required"),
    "ssl_check_hostname": re.compile(r"true|false"),
}
# Whom the sentinels let in, which is not whom the Redis behind them does.
SENTINEL_PASSWORD = "sentinel_password"  # noqa: S105  # an option's name
SENTINEL_OPTIONS = {"sentinel_username": re.compile(r".+"), SENTINEL_PASSWORD: re.compile(r".+")}
STORE_OPTIONS = {
    "redis": {**DATABASE, **PROTOCOL},
    "rediss": {**DATABASE, **PROTOCOL, **TLS_OPTIONS},
    "unix": {**DATABASE, **PROTOCOL},
    "redis+sentinel": {**DATABASE, **PROTOCOL, **SENTINEL_OPTIONS},
    "rediss+sentinel": {**DATABASE, **PROTOCOL, **SENTINEL_OPTIONS, **TLS_OPTIONS},
    "redis+cluster": PROTOCOL,
    "rediss+cluster": {**PROTOCOL, **TLS_OPTIONS},
}
STORE_FORMS = (
    "must be memory://, redis://HOST:PORT/DB, unix:///PATH, redis+sentinel://HOST:PORT,.../NAME/DB"
    " or redis+cluster://HOST:PORT,..., with rediss in place of redis for TLS"
)
ENCODE = "a password's special characters are written percent-encoded"
# What a sentinel takes as the name of what it watches.
WATCHED = re.compile(r"/[A-Za-z0-9._-]{1,128}(?:/[0-9]{0,5})?")


class StoreUrl(Secret[str]):
    """A store's URL, shown with its passwords masked."""

    def _display(self) -> str:
        text = self.get_secret_value()
        scheme, _, rest = text.partition("://")
        userinfo, at, where = rest.rpartition("@")
        user, colon, _ = userinfo.partition(":")
        shown = f"{scheme}://{user}:{MASK}@{where}" if at and colon else text
        place, question, query = shown.partition("?")
        return f"{place}{question}{'&'.join(map(_shown_option, query.split('&')))}"


def _shown_option(option: str) -> str:
    name, equals, _ = option.partition("=")
    return f"{name}{equals}{MASK}" if unquote_plus(name) == SENTINEL_PASSWORD else option


def check_store_url(secret: StoreUrl) -> StoreUrl:
    """Check a store's URL.

    Raises:
        ValueError: no URL of a store there is; the message never repeats it.
    """
    text = secret.get_secret_value()
    if text == MEMORY:
        return secret
    try:
        url = _split(text)
    except ValueError:
        raise ValueError(STORE_FORMS) from None
    _check_place(url)
    options = STORE_OPTIONS[url.scheme]
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name not in options:
            raise ValueError(f"may have the options {', '.join(options)} and no others")
        if not options[name].fullmatch(value):
            raise ValueError(f"has a value for {name} that cannot be")
    return secret


def _split(text: str) -> SplitResult:
    if not VISIBLE.fullmatch(text) or text.endswith("#"):
        raise ValueError
    url = urlsplit(text)
    if url.scheme not in STORE_OPTIONS or not text.startswith(f"{url.scheme}://"):
        raise ValueError
    return url


def _check_place(url: SplitResult) -> None:
    """Check where the store is: user, hosts, ports and path."""
    userinfo, _, authority = url.netloc.rpartition("@")
    if url.fragment or "@" in f"{userinfo}{url.path}{url.query}":
        raise ValueError(f"{STORE_FORMS}; {ENCODE}")
    way = url.scheme.partition("+")[2]
    if url.scheme == "unix":
        if authority or not url.path.startswith("/") or url.path == "/":
            raise ValueError("must name the socket by its full path, as in unix:///run/redis.sock")
    elif way:
        _check_hosts(authority.split(","))
        check = _check_watched if way == "sentinel" else _check_undivided
        check(url)
    else:
        _check_hosts([authority])
        if not re.fullmatch(r"/?[0-9]{0,5}", url.path):
            raise ValueError(f"must have a database's number as its path; {ENCODE}")


def _check_hosts(authorities: list[str]) -> None:
    try:
        for authority in authorities:
            parse_authority(authority)
    except ValueError:
        hosts = "hosts with commas between them" if len(authorities) > 1 else "a host"
        raise ValueError(f"must have {hosts}, and ports from 1 to 65535; {ENCODE}") from None


def _check_watched(url: SplitResult) -> None:
    if not WATCHED.fullmatch(url.path):
        raise ValueError(
            "must name as its path what the sentinels watch, and may name a database behind it, as"
            f" in redis+sentinel://HOST:26379/mymaster/0; {ENCODE}"
        )


def _check_undivided(url: SplitResult) -> None:
    if url.path not in ("", "/"):
        raise ValueError(f"must have no path, for a cluster has one database; {ENCODE}")


def _with_files(
    value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> StoreUrl:
    """Find the files of a URL; one that is in force already has found them."""
    secret: StoreUrl = handler(value)
    if isinstance(value, StoreUrl):
        return secret
    place, question, query = secret.get_secret_value().partition("?")
    options = (_with_file(option, info) for option in query.split("&"))
    return StoreUrl(f"{place}{question}{'&'.join(options)}")


def _with_file(option: str, info: ValidationInfo) -> str:
    name, _, value = option.partition("=")
    if unquote_plus(name) != AUTHORITIES:
        return option
    try:
        file = load_file(unquote_plus(value), info)
        check_authorities(file)
    except ValueError as error:
        raise ValueError(f"{AUTHORITIES}: {error}") from None
    return f"{AUTHORITIES}={quote(str(file.path))}"


StoreLocation = Annotated[StoreUrl, AfterValidator(check_store_url), WrapValidator(_with_files)]
