import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.keys import AuthKey
from proxy.settings.load import ConfigError, from_mapping, load
from proxy.settings.schema import Settings
from tests.settings.samples import MINIMAL, minimal
from tests.support.good_secrets import secret

EXAMPLE = Path(__file__).parents[2] / "config/playgate.example.yaml"

Loader = Callable[..., Settings]
Errors = Callable[..., list[str]]

COUNTED = "counted from the configuration's folder"
NOT_EMPTY = "empty is as if left out"
# What is put behind the minimal configuration, which ends on line 11, and the errors it makes.
MISTAKES = {
    "unknown section with a near one": (
        "limit: {default: 3}",
        ["c.yaml:12: limit: unknown key; did you mean 'limits'?"],
    ),
    "unknown key with a near one": (
        "limits:\n  plan: {}",
        ["c.yaml:13: limits.plan: unknown key; did you mean 'plans'?"],
    ),
    "unknown key with none near": (
        "listen: {\n  rabbit: 1}",
        ["c.yaml:13: listen.rabbit: unknown key"],
    ),
    "key of a feature that does not exist": (
        "recording: false",
        ["c.yaml:12: recording: unknown key"],
    ),
    "name that refusals have for every account": (
        "limits: {rules: [{name: account, max: 1}]}",
        ["c.yaml:12: limits.rules[0].name: is what refusals call a limit that is no rule's"],
    ),
    "duration without a unit": (
        "streams: {ttl: 30}",
        ["c.yaml:12: streams.ttl: a duration needs a unit; write 30s, or 30ms"],
    ),
    "duration with an unknown unit": (
        "streams:\n  ttl: 30 seconds",
        ["c.yaml:13: streams.ttl: must be a duration such as 500ms, 30s, 10m, 12h or 1d"],
    ),
    "duration that is too long": (
        "store: {timeout: 1m}",
        ["c.yaml:12: store.timeout: must be at most 10s"],
    ),
    "duration of nothing": (
        "streams: {ttl: 0s}",
        ["c.yaml:12: streams.ttl: must be at least 1s"],
    ),
    "time of nothing": (
        "origin: {timeout: 0s, connect_timeout: 0s}",
        [
            "c.yaml:12: origin.timeout: must be at least 1ms",
            "c.yaml:12: origin.connect_timeout: must be at least 1ms",
        ],
    ),
    "size that is none": (
        "origin: {max_manifest: big}",
        ["c.yaml:12: origin.max_manifest: must be a size such as 64KiB, 8MiB or 1GB"],
    ),
    "choice": (
        "store: {on_outage: maybe}",
        ["c.yaml:12: store.on_outage: must be local, open or closed"],
    ),
    "choice among numbers": (
        "limits: {status: 503}",
        ["c.yaml:12: limits.status: must be 429, 409 or 403"],
    ),
    "choice among numbers, with a fraction": (
        "limits: {status: 429.0}",
        ["c.yaml:12: limits.status: must be a whole number"],
    ),
    "port beyond the last": (
        "listen: {port: 65536}",
        ["c.yaml:12: listen.port: must be at most 65535"],
    ),
    "port that is true": (
        "listen: {port: true}",
        ["c.yaml:12: listen.port: must be a whole number"],
    ),
    "negative limit in a plan": (
        "limits:\n  plans:\n    basic: 1\n    free: -1",
        ["c.yaml:15: limits.plans.free: must be at least 0"],
    ),
    "plan with a strange name": (
        'limits: {plans: {"a: b": x}}',
        ['c.yaml:12: limits.plans."a: b": must be a whole number'],
    ),
    "text where a section belongs": (
        "listen: 8080",
        ["c.yaml:12: listen: must be a mapping of keys to values"],
    ),
    "text where a list belongs": (
        "cors: {origins: http://page.test}",
        ["c.yaml:12: cors.origins: must be a list; one alone stands in brackets, too: [one]"],
    ),
    "text where true or false belongs": (
        "identity: {jti_per_playback: perhaps}",
        ["c.yaml:12: identity.jti_per_playback: must be true or false"],
    ),
    "text that is true elsewhere": (
        "watch: on",
        ["c.yaml:12: watch: must be true or false"],
    ),
    "share that is no number": (
        "log: {access_sample: .nan}",
        ["c.yaml:12: log.access_sample: must be a number"],
    ),
    "share that is nothing": (
        "log: {access_sample: null}",
        ["c.yaml:12: log.access_sample: must be a number"],
    ),
    "factor that would lose slots": (
        "streams: {live_ttl_factor: 0.5}",
        ["c.yaml:12: streams.live_ttl_factor: must be at least 1"],
    ),
    "header that cannot be": (
        "identity: {device_header: 'X Device'}",
        ["c.yaml:12: identity.device_header: must be a name without spaces or separators"],
    ),
    "header that carries a credential": (
        "identity: {device_header: Authorization}",
        [
            (
                "c.yaml:12: identity.device_header: carries credentials: each new one would be a"
                " new device"
            )
        ],
    ),
    "admin token that no client could send": (
        "admin: {token: two words}",
        ["c.yaml:12: admin.token: may hold letters, digits and -._~+/ only, '=' at its end"],
    ),
    "admin token that is guessed in seconds": (
        "admin:\n  token: admin",
        [
            (
                "c.yaml:13: admin.token: has 5 characters; it needs at least 16:"
                " `openssl rand -hex 32` makes one"
            )
        ],
    ),
    "admin token of one character less": (
        "admin: {token: 0123456789abcde}",
        [
            (
                "c.yaml:12: admin.token: has 15 characters; it needs at least 16:"
                " `openssl rand -hex 32` makes one"
            )
        ],
    ),
    "admin token that is long and guessed all the same": (
        "admin: {token: aaaabbbbaaaaccccaaaadddd}",
        [
            (
                "c.yaml:12: admin.token: repeats a few characters, and could be guessed:"
                " `openssl rand -hex 32` makes one"
            )
        ],
    ),
    "mapping where a list belongs": (
        "cors:\n  origins: {all: true}",
        ["c.yaml:13: cors.origins: must be a list; each item begins with '- '"],
    ),
    "list where a mapping belongs": (
        "limits:\n  plans:\n    - basic",
        ["c.yaml:13: limits.plans: must be a mapping of keys to values, without '- ' or brackets"],
    ),
    "text where a mapping belongs": (
        "limits:\n  default=3",
        ["c.yaml:12: limits: must be a mapping of keys to values, as in 'key: value' with a space"],
    ),
    "address with a port": (
        "listen: {host: 0.0.0.0:8080}",
        [
            (
                "c.yaml:12: listen.host: must be an address such as 0.0.0.0 or ::, or a host name,"
                " and no port"
            )
        ],
    ),
    "claims as a list": (
        "limits: {rules: [{name: a, max: 1, where: {claims: [tier]}}]}",
        [
            (
                "c.yaml:12: limits.rules[0].where.claims: must be claims with the values to have,"
                " as in {tier: [gold, silver]}"
            )
        ],
    ),
    "claim with a value twice": (
        "limits:\n  rules:\n  - name: a\n    max: 1\n    where:\n      claims: {tier: [4, '4']}",
        ["c.yaml:17: limits.rules[0].where.claims.tier[1]: is in the list already"],
    ),
    "network with a slip": (
        "listen: {trusted_proxies: [10.0.0.0/8, 10.1.2.3/8]}",
        [
            "c.yaml:12: listen.trusted_proxies[1]: an address inside a network; write 10.0.0.0/8",
        ],
    ),
    "both ports the same": (
        "admin: {host: 0.0.0.0, port: 8080}",
        ["c.yaml:12: admin.port: is the player port, listen.port, too"],
    ),
    "certificate that is none": (
        "listen: {tls: {cert: c.yaml, key: c.yaml}}",
        [
            (
                f"c.yaml:12: listen.tls.{key}: is not a {what} in PEM form,"
                f" which begins with -----BEGIN {what.upper()}-----"
            )
            for key, what in (("cert", "certificate"), ("key", "private key"))
        ],
    ),
    "file that is not there": (
        "listen: {tls: {cert: nowhere.pem, key: nowhere.key}}",
        [
            f"c.yaml:12: listen.tls.{key}: cannot be read: no such file, {COUNTED}"
            for key in ("cert", "key")
        ],
    ),
    "all pages and one": (
        'cors: {origins: ["*", https://page.test]}',
        ["c.yaml:12: cors.origins: * allows every site; it stands alone"],
    ),
    "environment variable that is not set": (
        "admin:\n  token: ${NO_SUCH}",
        ["c.yaml:13: admin.token: environment variable not set: NO_SUCH"],
    ),
    "environment variable with a wrong value": (
        "listen: {port: ${WORD}}",
        ["c.yaml:12: listen.port: must be a whole number"],
    ),
    "a key twice": (
        "log: {level: info,\n  level: debug}",
        ["c.yaml:13: log.level: is given twice; first on line 12"],
    ),
    "a tag": (
        "log: {level: !!python/name:os.system ''}",
        ["c.yaml:12: log.level: tags have no use here; a text that begins with '!' needs quotes"],
    ),
}

HASHES = (256, 384, 512)
ALGORITHMS = (
    *(f"{family}{size}" for family in ("HS", "RS", "PS", "ES") for size in HASHES),
    "EdDSA",
)

# Lines of the minimal configuration replaced, and the errors it makes.
CHANGES = {
    "algorithm that is none": (
        {"      algorithm: HS256": "      algorithm: none"},
        [f"c.yaml:4: auth.keys[0].algorithm: must be {', '.join(ALGORITHMS[:-1])} or EdDSA"],
    ),
    "secret too short for its algorithm": (
        {"      algorithm: HS256": "      algorithm: HS512"},
        ["c.yaml:5: auth.keys[0].secret: has 32 bytes; HS512 needs at least 64"],
    ),
    "route that is called what metrics call no route": (
        {"  - name: live": "  - name: none"},
        ["c.yaml:9: routes[0].name: is what metrics call what is on no route"],
    ),
    "key without a secret": (
        {"      secret: 0123456789abcdef0123456789abcdef": ""},
        [f"c.yaml:3: auth.keys[0].secret: HS256 needs secret or secret_file; {NOT_EMPTY}"],
    ),
    "key id that YAML reads as a number": (
        {"    - kid: main": "    - kid: 2024"},
        ["c.yaml:3: auth.keys[0].kid: must be a text; put it in quotes"],
    ),
    "no keys": (
        {
            "  keys:": "  keys: []",
            "    - kid: main": "",
            "      algorithm: HS256": "",
            "      secret: 0123456789abcdef0123456789abcdef": "",
        },
        ["c.yaml:2: auth.keys: must have at least one item"],
    ),
    "tickets for no time": (
        {"tickets:": "tickets:\n  ttl: 0s"},
        ["c.yaml:7: tickets.ttl: must be at least 2m"],
    ),
    "ticket secret too short": (
        {"  secret: fedcba9876543210fedcba9876543210": "  secret: short"},
        ["c.yaml:7: tickets.secret: has 5 bytes; it needs at least 32"],
    ),
    "ticket secret given twice": (
        {"tickets:": "tickets:\n  secret_file: c.yaml"},
        ["c.yaml:8: tickets.secret: secret and secret_file exclude each other"],
    ),
    "ticket secret left out": (
        {"  secret: fedcba9876543210fedcba9876543210": ""},
        [f"c.yaml:6: tickets.secret: secret or secret_file is required; {NOT_EMPTY}"],
    ),
    "tickets under the token's name": (
        {"tickets:": "tickets:\n  param: token"},
        ["c.yaml:7: tickets.param: is the token's parameter, auth.query_param, too"],
    ),
    "tickets under the name of something of our own": (
        {"tickets:": "tickets:\n  param: _server"},
        ["c.yaml:7: tickets.param: is a name that players or Playgate use for something else"],
    ),
    "tokens under a name that is passed on to origins": (
        {"auth:": "auth:\n  query_param: _DASH_token"},
        ["c.yaml:2: auth.query_param: is a name that players or Playgate use for something else"],
    ),
    "keep-alive as seldom as slots lapse": (
        {"routes:": "streams: {keepalive_interval: 46s}\nroutes:"},
        ["c.yaml:8: streams.keepalive_interval: must be at most half of streams.vod_ttl"],
    ),
    "slots that lapse as often as keep-alive comes": (
        {"routes:": "streams: {vod_ttl: 59s}\nroutes:"},
        [
            (
                "c.yaml:8: streams.vod_ttl: "
                "must be at least twice streams.keepalive_interval, which is 30s"
            )
        ],
    ),
    "sections left out": (
        {"tickets:": "", "  secret: fedcba9876543210fedcba9876543210": ""},
        ["c.yaml:1: tickets: is required"],
    ),
    "path without a slash": (
        {"    path: /live/**": "    path: live/**"},
        ["c.yaml:10: routes[0].path: a path pattern starts with '/'"],
    ),
    "path that is Playgate's own": (
        {"    path: /live/**": "    path: /_playgate/**"},
        ["c.yaml:10: routes[0].path: paths under /_playgate/ are Playgate's own"],
    ),
    "route without a path": (
        {"    path: /live/**": ""},
        ["c.yaml:9: routes[0].path: is required"],
    ),
    "route without origins": (
        {"    origins: [http://origin:8000]": "    origins: []"},
        ["c.yaml:11: routes[0].origins: must have at least one item"],
    ),
    "origin with a path": (
        {"    origins: [http://origin:8000]": "    origins:\n    - http://a\n    - http://b/c"},
        [("c.yaml:13: routes[0].origins[1]: must be scheme, host and port alone, without a path")],
    ),
    "origin with a password": (
        {"    origins: [http://origin:8000]": "    origins: ['http://me:pw@origin']"},
        ["c.yaml:11: routes[0].origins[0]: must be a URL without a user or password"],
    ),
    "origin twice": (
        {"    origins: [http://origin:8000]": "    origins: [http://a, http://A:80/]"},
        ["c.yaml:11: routes[0].origins[1]: is in the list already"],
    ),
    "prefix that is not the path's": (
        {"    path: /live/**": "    path: /live/**\n    strip_prefix: /liv"},
        [
            (
                "c.yaml:11: routes[0].strip_prefix: must be what path begins with, before its first"
                " wildcard"
            )
        ],
    ),
    "direct without a place": (
        {"    path: /live/**": "    path: /live/**\n    segments: direct"},
        ["c.yaml:9: routes[0].segment_base_url: is required with segments: direct"],
    ),
    "a place without direct": (
        {"    path: /live/**": "    path: /live/**\n    segment_base_url: https://cdn.test"},
        [
            "c.yaml:11: routes[0].segment_base_url: has no use with segments: signed",
        ],
    ),
    "credential as content": (
        {"    path: /live/**": "    path: /live/**\n    content_params: [id, token, _sid]"},
        [
            (
                "c.yaml:11: routes[0].content_params[1]: is a credential, which never says what is"
                " watched"
            ),
            (
                "c.yaml:11: routes[0].content_params[2]: is a credential, which never says what is"
                " watched"
            ),
        ],
    ),
    "two routes of one name, one of them broken": (
        {"  - name: live": "  - {name: live, path: nowhere, origins: [http://a]}\n  - name: live"},
        [
            "c.yaml:9: routes[0].path: a path pattern starts with '/'",
            "c.yaml:10: routes[1].name: is the name of routes[0] already",
        ],
    ),
    "route behind another": (
        {"  - name: live": "  - {name: all, path: /**, origins: [http://a]}\n  - name: live"},
        ["c.yaml:11: routes[1].path: is never reached: routes[0] takes it all"],
    ),
    "route behind another of the same host": (
        {
            "  - name: live": "  - {name: all, host: H, path: /live/**, origins: [http://a]}\n"
            "  - name: live\n    host: h"
        },
        ["c.yaml:12: routes[1].path: is never reached: routes[0] takes it all"],
    ),
    "no audience": (
        {"auth:": "auth:\n  audience: []"},
        ["c.yaml:2: auth.audience: must have at least one item"],
    ),
    "two keys of one id": (
        {
            "    - kid: main": "    - {kid: main, algorithm: HS256, secret_file: c.yaml}\n"
            "    - kid: main"
        },
        ["c.yaml:4: auth.keys[1].kid: is the kid of auth.keys[0] already"],
    ),
}

# One path on three hosts, the last of them any that is left.
ROUTES_BY_HOST = MINIMAL.replace(
    "  - name: live",
    """\
  - {name: a, host: A, path: /live/**, origins: [http://a]}
  - {name: b, host: b:8080, path: /live/**, origins: [http://b]}
  - name: live""",
)

NO_KEY = "a ':' where no key can be; look at the indentation, or put the text in quotes"
ODD_SPACE = "a no-break space, or the like, where a space can indent"
# Whole files that are no configuration at all.
FILES = {
    "empty": (b"", "c.yaml:1: (file): the file is empty"),
    "only comments": (b"# nothing\n\n", "c.yaml:1: (file): the file is empty"),
    "list": (b"# a list\n- a\n", "c.yaml:2: (file): must be a mapping of keys to values"),
    "text": (b"hello", "c.yaml:1: (file): must be a mapping of keys to values"),
    "not UTF-8": (b"a: 1\nb: \xff\n", "c.yaml:2: (file): is not UTF-8"),
    "UTF-16": ("a: 1".encode("utf-16"), "c.yaml:1: (file): is not UTF-8"),
    "NUL": (b"a: 1\nb: \0\n", "c.yaml:2: (file): not YAML: a character that cannot be printed"),
    "two documents": (b"a: 1\n---\nb: 1\n", "c.yaml:2: (file): holds more than one document"),
    "open bracket": (
        b"routes: [\n  {name: live}\n",
        "c.yaml:3: (file): not YAML: expected ',' or ']', but got '<stream end>'",
    ),
    "open quote": (
        b"a: 1\nb: 'x\nc: 1\n",
        "c.yaml:2: (file): not YAML: a quote that is never closed",
    ),
    "tab": (b"a:\n\tb: 1\n", "c.yaml:2: (file): not YAML: a tab where only spaces can indent"),
    "colon in a text": (
        b"a: 1\nb: c: d\n",
        f"c.yaml:2: (file): not YAML: {NO_KEY}",
    ),
    "no-break spaces": (
        "a:\n  b: 1\n\u00a0\u00a0c: 2\n  d: 3\n".encode(),
        f"c.yaml:3: (file): not YAML: {ODD_SPACE}",
    ),
    "item to the left of its list": (
        b"a:\n    - b: 1\n   - c: 2\n",
        "c.yaml:3: (file): not YAML: indented otherwise than the lines it belongs to",
    ),
    "key to the left of its mapping": (
        b"a:\n    b: 1\n   c: 2\n",
        "c.yaml:3: (file): not YAML: indented otherwise than the lines it belongs to",
    ),
    "key to the right of its mapping": (
        b"a: 1\n  c: 2\n",
        f"c.yaml:2: (file): not YAML: {NO_KEY}",
    ),
    "unresolved merge": (
        b"a: 1\n<<<<<<< HEAD\nb: 2\n",
        "c.yaml:2: (file): not YAML: neither 'key: value' nor '- item'",
    ),
    "text that needs quotes": (
        b"a: @b\n",
        "c.yaml:1: (file): not YAML: a text that begins with '@' needs quotes",
    ),
    "huge": (b"#" * (600 * 1024), "c.yaml:1: (file): the file is larger than any configuration"),
}


@pytest.mark.parametrize(("added", "errors"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_line_and_key(
    errors_of: Errors, added: str, errors: list[str]
) -> None:
    assert errors_of(MINIMAL + added, WORD="word") == errors


@pytest.mark.parametrize(("changes", "errors"), CHANGES.values(), ids=CHANGES)
def test_a_change_for_the_worse_is_told_with_its_line_and_key(
    errors_of: Errors, changes: dict[str, str], errors: list[str]
) -> None:
    lines = MINIMAL.splitlines()
    assert not changes.keys() - set(lines)
    assert errors_of("\n".join(changes.get(line, line) for line in lines)) == errors


@pytest.mark.parametrize(("content", "error"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_configuration_gets_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(Path("c.yaml"), {})
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("path", "reason"),
    [("nowhere.yaml", "No such file or directory"), (".", "Is a directory")],
)
def test_a_file_that_cannot_be_read_gets_the_systems_reason(path: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Path(path), {})
    assert str(caught.value) == f"{path}:1: (file): cannot be read: {reason}"


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines(errors_of: Errors) -> None:
    text = """\
listen: {port: 80800}
auth:
  keys:
    - {algorithm: ES256, secret: "not used with this algorithm"}
tickets: {secret: "${NO_SUCH_SECRET}"}
limits: {default: 3, plan: {basic: 1}}
streams: {ttl: 30, ttl: 40s}
routes:
  - {name: a, path: /a/**, origins: [http://a], segments: sealed}
  - {name: a, path: /b/**, origins: [http://b]}
"""
    assert errors_of(text) == [
        "c.yaml:1: listen.port: must be at most 65535",
        "c.yaml:4: auth.keys[0].secret: has no use with ES256, which takes a public_key",
        (
            "c.yaml:4: auth.keys[0].public_key: ES256 needs public_key or public_key_file;"
            f" {NOT_EMPTY}"
        ),
        "c.yaml:5: tickets.secret: environment variable not set: NO_SUCH_SECRET",
        "c.yaml:6: limits.plan: unknown key; did you mean 'plans'?",
        "c.yaml:7: streams.ttl: is given twice; first on line 7",
        "c.yaml:7: streams.ttl: a duration needs a unit; write 30s, or 30ms",
        "c.yaml:9: routes[0].segments: must be signed, open, direct or deny",
        "c.yaml:10: routes[1].name: is the name of routes[0] already",
    ]


def test_the_minimal_configuration_loads(load_text: Loader) -> None:
    assert load_text(MINIMAL).routes[0].name == "live"


def test_a_byte_order_mark_and_windows_lines_do_not_matter(load_text: Loader) -> None:
    assert load_text("\ufeff" + MINIMAL.replace("\n", "\r\n")) == load_text(MINIMAL)


def test_a_route_for_one_host_hides_no_other(load_text: Loader) -> None:
    hosts = [route.host for route in load_text(ROUTES_BY_HOST).routes]
    assert hosts == ["a", "b:8080", None]


def test_sections_left_empty_are_left_out(load_text: Loader) -> None:
    assert load_text(MINIMAL + "listen:\nlimits:\ncors: {}\n") == load_text(MINIMAL)


def test_environment_variables_reach_settings_of_every_kind(load_text: Loader) -> None:
    settings = load_text(
        MINIMAL
        + "listen: {host: ${HOST}, port: ${PORT}, drain_timeout: ${SECONDS}s}\n"
        + "admin: {token: '${TOKEN}'}\n"
        + "identity: {jti_per_playback: ${JTI}, device_header: ${HEADER:-null}}\n"
        + "limits: {status: ${STATUS}, default: ${LIMIT:-7}}\n"
        + "streams: {live_ttl_factor: ${FACTOR}}\n"
        + "origin: {max_manifest: ${SIZE}}\n",
        HOST="::1",
        PORT="18080",
        SECONDS="7",
        TOKEN="1234567890123456",
        JTI="true",
        STATUS="409",
        FACTOR="2.5",
        SIZE="4096",
    )
    assert (settings.listen.host, settings.listen.port) == ("::1", 18080)
    assert settings.listen.drain_timeout == 7.0
    assert settings.admin.token is not None
    assert settings.admin.token.get_secret_value() == "1234567890123456"
    assert settings.identity.jti_per_playback is True
    assert settings.identity.device_header is None
    assert (settings.limits.status, settings.limits.default) == (409, 7)
    assert settings.streams.live_ttl_factor == 2.5
    assert settings.origin.max_manifest == 4096


def test_what_a_variable_holds_is_never_read_as_yaml(load_text: Loader) -> None:
    secret = "a: {b} # c, 'd' ${E} *f !g [h] " + "x" * 16
    text = MINIMAL.replace("0123456789abcdef0123456789abcdef", "${SECRET}")
    (key,) = load_text(text, SECRET=secret).auth.keys
    assert isinstance(key, AuthKey)
    assert key.shared_secret == secret.encode()


def test_files_count_from_the_folder_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "jwt.secret").write_text(secret("f") + "\n")
    (folder / "c.yaml").write_text(
        MINIMAL.replace("secret: 0123456789abcdef0123456789abcdef", "secret_file: jwt.secret")
    )
    monkeypatch.chdir(tmp_path)
    settings = load(Path("etc/c.yaml"), {})
    (folder / "jwt.secret").unlink()
    (key,) = settings.auth.keys
    assert isinstance(key, AuthKey)
    assert key.shared_secret == secret("f").encode()


def test_a_mapping_made_in_code_is_held_to_the_same_rules() -> None:
    assert from_mapping(minimal()).limits.default == 3
    with pytest.raises(ConfigError) as caught:
        from_mapping(minimal(limits={"default": -1}))
    assert str(caught.value) == "configuration: limits.default: must be at least 0"


# --- Nothing but ConfigError, and never a secret ---

FRAGMENTS = st.sampled_from(
    [
        *("a", "routes", "listen", "auth", "<<", "&a ", "*a ", "!t ", "${X}", "$${", "${", "\\u"),
        *(": ", "- ", "\n", "\n  ", ", ", "{", "}", "[", "]", "'", '"', "#", "|", ">", "? ", "\t"),
        *("%YAML 1.2\n", "---\n", "...\n", "1e999", "0x7f", "-.inf", "~", "\ue000", "\ud7ff", "é"),
        *('"\\UFFFFFFFF"', '"\\ud800"', "9" * 5000, "=", "secret", "keys", "tickets"),
    ]
)


@given(st.one_of(st.text(), st.lists(FRAGMENTS, max_size=30).map("".join)))
def test_no_text_raises_anything_but_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "arbitrary.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError):
        load(path, {"X": "x"})


PLAIN_VALUES = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        st.sampled_from(["30s", "8MiB", "redis://h", "http://h", "/a/**", "*", "HS256", "::1"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def leaves(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of everything inside a value, sections included."""
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [path for key, item in items for path in [(*at, key), *leaves(item, (*at, key))]]


def replaced(value: object, at: tuple[str | int, ...], new: object) -> object:
    """A value with another one put at a path."""
    if not at:
        return new
    if isinstance(value, dict):
        return {k: replaced(v, at[1:], new) if k == at[0] else v for k, v in value.items()}
    assert isinstance(value, list)
    return [replaced(v, at[1:], new) if k == at[0] else v for k, v in enumerate(value)]


FULL = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")) | minimal()
PATHS = leaves(FULL)


@given(at=st.sampled_from(PATHS), value=PLAIN_VALUES)
def test_no_value_anywhere_raises_anything_but_a_config_error(
    at: tuple[str | int, ...], value: object
) -> None:
    with contextlib.suppress(ConfigError):
        from_mapping(cast("dict[str, object]", replaced(FULL, at, value)))


CANARY = "c4n4ry-S3cret"
# Ways in which a secret ends up where it does not belong, or breaks the syntax around it.
SPILLS = [
    *(
        "{}",
        "'{}'",
        '"{}',
        "'{}",
        "*{}",
        "!{}",
        "&{}",
        "%{}",
        "@{}",
        "`{}",
        "{}: x: y",
        "[{}",
        "{{{}",
    ),
    *('"\\{}"', "|{}", "${{{}}}", "{} # x", "- {}", "? {}"),
    *("redis://:{}@h:port/0", "redis://:{}"),
    *("http://u:{}@h", "redis://:p/{}@h", "redis://h/0?password={}", "!!int {}", "!!{} x", "[{}]"),
    *("{}s", "1{}MiB", "/{}/**/**", "<<: {}", "{}.pem", "\t{}", "%TAG {}"),
]


PLACES = [
    *("tickets:\n  secret: {}", "tickets: {}", "admin:\n  token: {}", "store:\n  url: {}"),
    *("auth:\n  keys:\n  - {}", "auth:\n  keys:\n  - secret: {}", "auth: {}", "{}"),
    *("auth:\n  keys:\n  - algorithm: {}", "listen:\n  port: {}", "streams:\n  ttl: {}"),
    *("routes:\n- name: a\n  path: {}", "routes:\n- origins: [{}]", "cors:\n  origins: [{}]"),
    *("listen:\n  tls:\n    cert: {}", "tickets:\n  secret_file: {}", "log:\n  level: {}"),
]


@pytest.mark.parametrize("place", PLACES)
def test_no_message_repeats_what_stands_in_the_file(errors_of: Errors, place: str) -> None:
    for spill in SPILLS:
        for error in errors_of(place.replace("{}", spill.format(CANARY))):
            # A key is named as it was written: it says where to look.
            _, _, message = error.removeprefix("c.yaml:").partition(": ")[2].partition(": ")
            assert CANARY not in message


@pytest.mark.parametrize(
    ("over", "problem"),
    [
        ({"events": {"sink": "redis-stream"}}, ("events.sink", "needs Redis")),
        ({"events": {"keepalive": True}}, ("events.keepalive", "needs Redis")),
        ({"events": {"sink": "log"}, "log": {"level": "error"}}, ("log.level", "events.sink")),
    ],
)
def test_events_are_not_sent_where_nobody_could_see_them(
    over: dict[str, object], problem: tuple[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(minimal(**over))
    [found] = caught.value.problems
    key, part = problem
    assert found.key == key
    assert part in found.message
    from_mapping(minimal(**{**over, "store": {"url": "redis://127.0.0.1"}, "log": {}}))
