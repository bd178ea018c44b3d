"""Rules as they are configured."""

from collections.abc import Callable

import pytest

from proxy.settings.limits import MAX_LISTED, MAX_RULES
from proxy.settings.load import ConfigError, from_mapping
from proxy.settings.schema import Settings
from tests.settings.samples import MINIMAL, minimal

Errors = Callable[..., list[str]]
WHOLE = """\
limits:
  plans: {basic: 1, "1": null}
  rules:
    - name: one-ppv
      max: 1
      where: {content: /live/ppv/**, route: live, plan: [basic, "1"]}
      mode: observe
    - name: two-tvs
      max: 2
      where: {device_class: [tv, console], claims: {tier: 4, trial: true, groups: [a, b]}}
    - {name: all, max: 5}
"""
CLASSES = "must be tv, console, tablet, mobile, desktop or other"
SCALARS = "must be a text, a whole number, true or false"


def rules(*written: dict[str, object]) -> Settings:
    return from_mapping(minimal(limits={"rules": list(written)}))


def test_rules_are_read_as_they_are_meant(load_text: Callable[..., Settings]) -> None:
    one, two, three = load_text(MINIMAL + WHOLE).limits.rules
    assert (one.name, one.max, one.mode, two.mode) == ("one-ppv", 1, "observe", "enforce")
    assert [str(pattern) for pattern in one.where.content or ()] == ["/live/ppv/**"]
    assert (one.where.route, one.where.plan) == (("live",), ("basic", "1"))
    assert two.where.device_class == ("tv", "console")
    assert two.where.claims == {"tier": ("4",), "trial": ("true",), "groups": ("a", "b")}
    assert three.where == type(three.where)()


def test_what_rules_look_for_in_claims_is_gathered() -> None:
    settings = rules(
        {"name": "a", "max": 1, "where": {"claims": {"tier": ["x", "y"]}}},
        {"name": "b", "max": 1, "where": {"claims": {"tier": "z", "trial": True}}},
    )
    assert settings.limits.listed_claims == {"tier": {"x", "y", "z"}, "trial": {"true"}}


def test_every_mistake_in_rules_is_told_where_it_was_made(errors_of: Errors) -> None:
    text = MINIMAL.replace("name: live", "name: live\n    limits: -1") + (
        "limits:\n"
        "  rules:\n"
        "    - {name: plan, max: 1}\n"
        "    - {name: a, max: 1, where: {route: nowhere}}\n"
        "    - {name: a, max: -1, where: {route: [live, nowhere]}}\n"
        "    - {name: b, max: 1, where: {device_class: fridge, contents: /x}}\n"
        "    - {name: c, max: 1, where: {claims: {tier: [1.5, {a: b}]}, content: [ppv, /x]}}\n"
        "    - {name: d, where: {plan: []}, mode: watch}\n"
    )
    assert errors_of(text) == [
        "c.yaml:10: routes[0].limits: must be at least 0",
        "c.yaml:15: limits.rules[0].name: is what refusals call a limit that is no rule's",
        "c.yaml:16: limits.rules[1].where.route: is no route",
        "c.yaml:17: limits.rules[2].max: must be at least 0",
        "c.yaml:17: limits.rules[2].name: is the name of limits.rules[1] already",
        "c.yaml:17: limits.rules[2].where.route[1]: is no route",
        f"c.yaml:18: limits.rules[3].where.device_class[0]: {CLASSES}",
        "c.yaml:18: limits.rules[3].where.contents: unknown key; did you mean 'content'?",
        "c.yaml:19: limits.rules[4].where.content[0]: a path pattern starts with '/'",
        f"c.yaml:19: limits.rules[4].where.claims.tier[0]: {SCALARS}",
        f"c.yaml:19: limits.rules[4].where.claims.tier[1]: {SCALARS}",
        f"c.yaml:19: limits.rules[4].where.content[1]: {ELSEWHERE}",
        "c.yaml:20: limits.rules[5].max: is required",
        "c.yaml:20: limits.rules[5].where.plan: must have at least one item",
        "c.yaml:20: limits.rules[5].mode: must be enforce or observe",
    ]


def test_no_rule_looks_at_the_account(errors_of: Errors) -> None:
    text = MINIMAL + "limits: {rules: [{name: a, max: 1, where: {claims: {sub: alice}}}]}\n"
    assert errors_of(text) == [
        (
            "c.yaml:12: limits.rules[0].where.claims.sub: is auth.claims.account, and tickets must"
            " not tell who; take another claim"
        )
    ]


def test_there_are_only_so_many_rules() -> None:
    written = [{"name": f"r{number}", "max": 1} for number in range(MAX_RULES + 1)]
    assert len(rules(*written[1:]).limits.rules) == MAX_RULES
    with pytest.raises(ConfigError, match=f"must have at most {MAX_RULES} items"):
        rules(*written)


def test_what_rules_look_for_fits_into_a_ticket() -> None:
    where = {"claims": {"group": ["g" * (MAX_LISTED - len('{"group": [""]}[]'))]}}
    assert rules({"name": "a", "max": 1, "where": where}).limits.listed_claims
    with pytest.raises(ConfigError, match=TOO_MUCH):
        rules(
            {"name": "a", "max": 1, "where": where},
            {"name": "b", "max": 1, "where": {"claims": {"group": "x"}}},
        )
    with pytest.raises(ConfigError, match=TOO_MUCH):
        rules({"name": "a", "max": 1, "where": {**where, "content": "/live/ppv/**"}})


ROUTES = [
    {"name": "live", "path": "/live/**", "origins": ["http://a"]},
    {"name": "films", "path": "/vod/*/master.m3u8", "origins": ["http://a"]},
]
TOO_MUCH = r"limits\.rules: .* of \d+ characters as JSON, 1024 are the most"
ELSEWHERE = "takes in no path of the routes it is about"
ONE_PATH = "ends in a name that is no manifest's; with /** at its end, all beneath"


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"content": "/**/news/*"}, {}),
        ({"content": "/live/ppv/**"}, {}),
        ({"content": ["/vod/7/*.m3u8", "/**/*.mpd"]}, {}),
        ({"content": "/live/event/Manifest"}, {}),
        ({"content": "/ppv/**"}, {"content": ELSEWHERE}),
        ({"content": ["/live/*", "/vod/*.mpd"]}, {"content[1]": ELSEWHERE}),
        ({"content": "/vod/7/index.m3u8"}, {"content": ELSEWHERE}),
        ({"content": "/live/**", "route": "films"}, {"content": ELSEWHERE}),
        ({"content": "/live/**", "route": ["films", "live"]}, {}),
        ({"content": "/live/ppv"}, {"content": ONE_PATH}),
        ({"content": ["/live/ppv/"]}, {"content[0]": ONE_PATH}),
        ({"content": "/ppv/**", "route": "nowhere"}, {"route": "is no route"}),
    ],
)
def test_a_rule_that_no_stream_can_meet_is_told(
    where: dict[str, object], found: dict[str, str]
) -> None:
    rule = {"name": "a", "max": 1, "where": where}
    try:
        from_mapping(minimal(routes=ROUTES, limits={"rules": [rule]}))
    except ConfigError as error:
        told = {problem.key: problem.message for problem in error.problems}
    else:
        told = {}
    assert told == {f"limits.rules[0].where.{key}": text for key, text in found.items()}


def test_what_is_wrong_with_a_route_is_told_there_alone(errors_of: Errors) -> None:
    text = MINIMAL.replace("/live/**", "live") + (
        "limits: {rules: [{name: a, max: 1, where: {content: /ppv/**}}]}\n"
    )
    assert errors_of(text) == ["c.yaml:10: routes[0].path: a path pattern starts with '/'"]


def test_a_rule_looks_for_plans_that_are_listed(errors_of: Errors) -> None:
    limits = "limits: {plans: {gold: 4}, rules: [{name: a, max: 1, where: {plan: [gold, glod]}}]}\n"
    assert errors_of(MINIMAL + limits) == [
        (
            "c.yaml:12: limits.rules[0].where.plan[1]: is no plan of limits.plans, where null gives"
            " it no limit of its own"
        )
    ]
