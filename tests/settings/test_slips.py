"""Values that are well-formed and break the service: refused, with what would be right."""

from collections.abc import Callable
from typing import cast

import pytest

from proxy.credentials.token import MAX_NAME_LENGTH
from proxy.settings.load import ConfigError, from_mapping
from proxy.settings.types import CLAIMED_LENGTH
from tests.settings.samples import MINIMAL, minimal
from tests.support.good_secrets import secret

Errors = Callable[..., list[str]]

ANOTHER = "`openssl rand -hex 32` makes one"
REPEATS = f"repeats a few characters, and could be guessed: {ANOTHER}"
STANDS_IN = f"is what stands in for a secret until there is one: {ANOTHER}"
EVERYBODY = (
    "is every address there is, so each viewer could say that they are another: list the addresses"
    " or networks of your balancers"
)
OF_THE_TOKEN = "is a claim about the token, which says of nobody who it is; try sub"

# What is put behind the minimal configuration, which ends on line 11, and the errors it makes.
SLIPS = {
    "everybody trusted": (
        "listen:\n  trusted_proxies: [10.0.0.0/8, 0.0.0.0/0]",
        [f"c.yaml:13: listen.trusted_proxies[1]: {EVERYBODY}"],
    ),
    "everybody trusted by IPv6": (
        "listen: {trusted_proxies: ['::/0']}",
        [f"c.yaml:12: listen.trusted_proxies[0]: {EVERYBODY}"],
    ),
    "IPv4 within IPv6, which no address is compared with": (
        "listen: {trusted_proxies: ['::ffff:10.0.0.0/104']}",
        [
            (
                "c.yaml:12: listen.trusted_proxies[0]: is of IPv4, and matches nobody as it is"
                " written; write 192.0.2.0/24, say"
            )
        ],
    ),
    "everybody trusted by halves": (
        "listen: {trusted_proxies: [0.0.0.0/1, 128.0.0.0/1]}",
        [f"c.yaml:12: listen.trusted_proxies: together, {EVERYBODY}"],
    ),
    "admin token that was never filled in": (
        "admin: {token: change-me-0123456789}",
        [f"c.yaml:12: admin.token: {STANDS_IN}"],
    ),
    "slots that lapse before a player can ask again": (
        (
            "streams:\n  ttl: 999ms\n  vod_ttl: 1ms\n  silent_after: 1ms\n  max_hold: 1ms\n"
            "  keepalive: false"
        ),
        [
            f"c.yaml:{line}: streams.{key}: must be at least 1s"
            for line, key in enumerate(("ttl", "vod_ttl", "silent_after", "max_hold"), 13)
        ],
    ),
    "slots that outlive what renews them": (
        "streams: {ttl: 13h}",
        ["c.yaml:12: streams.ttl: must be at most tickets.ttl, which is 12h: tickets renew it"],
    ),
    "plan with a name that no token can have": (
        f"limits:\n  plans: {{{'p' * 257}: 1}}",
        [f'c.yaml:13: limits.plans."{"p" * 80}": must have at most 256 characters'],
    ),
    "rule about a folder": (
        "limits: {rules: [{name: a, max: 1, where: {content: /live/*/}}]}",
        [
            (
                "c.yaml:12: limits.rules[0].where.content: ends in a name that is no manifest's;"
                " with /** at its end, all beneath"
            )
        ],
    ),
}


@pytest.mark.parametrize(("added", "errors"), SLIPS.values(), ids=SLIPS)
def test_what_would_break_the_service_is_told_with_its_line_and_key(
    errors_of: Errors, added: str, errors: list[str]
) -> None:
    assert errors_of(MINIMAL + added) == errors


def test_a_ticket_lives_at_least_as_long_as_a_player_needs_to_renew_it(errors_of: Errors) -> None:
    text = MINIMAL.replace("tickets:", "tickets:\n  ttl: 5s")
    assert errors_of(text) == ["c.yaml:7: tickets.ttl: must be at least 2m"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x" * 40, REPEATS),
        ("abcd" * 10, REPEATS),
        ("password" * 5, REPEATS),
        ("aabbccddaabbccddabcdabcdddccbbaacccc", REPEATS),
        ("CHANGEME" * 5, STANDS_IN),
        ("please-change-me-before-you-go-live-1", STANDS_IN),
        ("your-secret-of-at-least-32-bytes-here", STANDS_IN),
        ("<the secret of tokens, 32 bytes or more>", STANDS_IN),
        ("{{ vault_playgate_jwt_secret_of_tokens }}", STANDS_IN),
        ("${PLAYGATE_JWT_SECRET_THAT_WAS_NOT_FILLED_IN}", STANDS_IN),
    ],
)
def test_a_secret_that_anybody_could_guess_is_refused(
    errors_of: Errors, value: str, message: str
) -> None:
    key = MINIMAL.replace("0123456789abcdef0123456789abcdef", "${SECRET}")
    assert errors_of(key, SECRET=value) == [f"c.yaml:5: auth.keys[0].secret: {message}"]
    tickets = MINIMAL.replace("fedcba9876543210fedcba9876543210", "${SECRET}")
    assert errors_of(tickets, SECRET=value) == [f"c.yaml:7: tickets.secret: {message}"]


def test_a_key_that_decrypts_is_no_few_characters_either() -> None:
    key = {"algorithm": "A128KW", "secret": "abcdabcdabcdabcd"}
    auth = {**cast("dict[str, object]", minimal()["auth"])}
    with pytest.raises(ConfigError) as caught:
        from_mapping(minimal(auth={**auth, "uri_signing": {"decryption_keys": [key]}}))
    reason = "repeats a few characters, and could be guessed: `openssl rand -hex 8` makes one"
    assert str(caught.value) == (
        f"configuration: auth.uri_signing.decryption_keys[0].secret: {reason}"
    )


def test_random_bytes_are_a_secret() -> None:
    for length in (16, 32, 64):
        key = {"algorithm": "dir", "secret": secret("random", length)}
        auth = {"keys": [{"algorithm": "HS256", "secret": secret("jwt")}]}
        from_mapping(minimal(auth={**auth, "uri_signing": {"decryption_keys": [key]}}))


@pytest.mark.parametrize(
    ("auth", "holder"),
    [
        ({"keys": [{"algorithm": "HS256", "secret": secret("one")}]}, "auth.keys[0]"),
        (
            {
                "keys": [{"algorithm": "HS256", "secret": secret("jwt")}],
                "uri_signing": {
                    "decryption_keys": [{"algorithm": "A256KW", "secret": secret("one")}]
                },
            },
            "auth.uri_signing.decryption_keys[0]",
        ),
    ],
)
def test_who_makes_tokens_cannot_make_tickets(auth: dict[str, object], holder: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(minimal(auth=auth, tickets={"secret": secret("one")}))
    reason = f"is that of {holder}, too, and who makes tokens could make tickets: {ANOTHER}"
    assert str(caught.value) == f"configuration: tickets.secret: {reason}"


CLAIMS = {
    **{claim: ({"account": claim}, "account", OF_THE_TOKEN) for claim in ("exp", "iat", "nbf")},
    **{claim: ({"account": claim}, "account", OF_THE_TOKEN) for claim in ("jti", "aud", "iss")},
    "a device that is the account": (
        {"device": "sub"},
        "device",
        "is auth.claims.account, too, and one claim cannot say both",
    ),
    "a device that is a time": (
        {"device": "iat"},
        "device",
        "is a claim about the token, which names no device",
    ),
    "a limit that is the plan": (
        {"limit": "plan"},
        "limit",
        "is auth.claims.plan, too, and one claim cannot say both",
    ),
}


@pytest.mark.parametrize(("claims", "key", "message"), CLAIMS.values(), ids=CLAIMS)
def test_claims_name_somebody_and_each_says_one_thing(
    claims: dict[str, str], key: str, message: str
) -> None:
    auth = {**cast("dict[str, object]", minimal()["auth"]), "claims": claims}
    with pytest.raises(ConfigError) as caught:
        from_mapping(minimal(auth=auth))
    assert str(caught.value) == f"configuration: auth.claims.{key}: {message}"


def test_a_plan_may_be_called_what_a_token_may_call_it() -> None:
    assert CLAIMED_LENGTH == MAX_NAME_LENGTH
    from_mapping(minimal(limits={"plans": {"p" * MAX_NAME_LENGTH: 1}}))


@pytest.mark.parametrize("path", ["/live/*/", "/live/**/"])
def test_a_route_of_folders_alone_serves_nothing(path: str) -> None:
    route = {"name": "live", "path": path, "origins": ["http://origin:8000"]}
    with pytest.raises(ConfigError) as caught:
        from_mapping(minimal(routes=[route]))
    assert caught.value.problems[0].key == "routes[0].path"
    from_mapping(minimal(routes=[{**route, "segments": "open"}]))
