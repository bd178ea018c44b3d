"""Tokens of a real OpenID Connect server: its keys found, changed while one plays, and missed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin

import jwt
import pytest

from proxy.credentials import key_source
from tests.e2e.oidc.issuer import AUDIENCE, PLAN_CLAIM, OpenIdProvider, new_key
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.stack import Answer, Stack

pytestmark = pytest.mark.e2e


@asynccontextmanager
async def trusting(provider: OpenIdProvider) -> AsyncIterator[Stack]:
    """Run a proxy that takes the provider's tokens, as docs/tokens.md says."""
    found = await provider.discovered()
    auth = {
        "keys": [{"algorithms": ["ES256", "RS256"], "jwks_url": found["jwks_uri"]}],
        "issuer": found["issuer"],
        "audience": AUDIENCE,
        "claims": {"plan": PLAN_CLAIM},
    }
    limits = {"plans": {"basic": 1, "premium": 4}}
    # Longer than a busy machine takes to start the provider anew.
    async with Stack(auth=auth, limits=limits, streams={"ttl": "10m"}) as stack:
        serve_channels(stack.origin, *(f"ch{number}" for number in range(1, 7)))
        yield stack


async def watch(stack: Stack, channel: int, token: str) -> Answer:
    """Ask for a channel; another device each, so that each is a stream of its own."""
    agent = f"screen/{channel}"
    return await stack.ask(f"/live/ch{channel}/master.m3u8?token={token}", agent=agent)


def forged(provider: OpenIdProvider, **header: str) -> str:
    """Make a token that says all the right things, and is signed by nobody we know."""
    claims: dict[str, Any] = {"iss": provider.url, "aud": AUDIENCE, "sub": "alice"}
    key = jwt.PyJWK(new_key("a stranger's"))
    return jwt.encode({**claims, "exp": 2**32, "iat": 1}, key, "ES256", headers={**header})


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_its_tokens_are_good_and_say_which_plan_a_viewer_has(algorithm: str) -> None:
    async with OpenIdProvider(new_key("first", algorithm)) as provider, trusting(provider) as stack:
        alice, bob = await provider.token("alice"), await provider.token("bob")
        assert jwt.get_unverified_header(alice)["alg"] == algorithm
        assert (await watch(stack, 1, alice)).decision == ("admitted", "1/4")
        assert (await watch(stack, 1, bob)).decision == ("admitted", "1/1")
        assert (await watch(stack, 2, bob)).code == "stream_limit"
        for header in ({"kid": "first"}, {"kid": "another"}, {}):
            assert (await watch(stack, 2, forged(provider, **header))).code == "token_invalid"


async def test_a_rotation_stops_nobody_and_needs_no_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Two rotations within half a minute, each noticed by the first token of the new key.
    monkeypatch.setattr(key_source, "LOOK_EVERY", 0.0)
    first, second, third = (new_key(name) for name in ("first", "second", "third"))
    async with OpenIdProvider(first) as provider, trusting(provider) as stack:
        old = await provider.token("alice")
        entry = "/live/ch1/master.m3u8"
        child = urljoin(entry, (await watch(stack, 1, old)).uris()[0])

        async def plays() -> bool:
            refreshed = await stack.ask(child, agent="screen/1")
            return refreshed.status == 200 and refreshed.decision[0] == "renewed"

        assert await plays()

        await provider.publish(second, first)
        new = await provider.token("alice")
        assert jwt.get_unverified_header(new)["kid"] == "second"
        assert (await watch(stack, 2, new)).decision == ("admitted", "2/4")
        assert (await watch(stack, 3, old)).decision == ("admitted", "3/4")
        assert await plays()

        await provider.publish(third, second)
        assert (await watch(stack, 4, await provider.token("alice"))).status == 200
        assert (await watch(stack, 5, old)).code == "token_invalid"
        assert (await watch(stack, 2, new)).decision[0] == "renewed"
        assert await plays()


async def test_an_issuer_that_is_down_keeps_nobody_from_watching(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_source, "LOOK_EVERY", 0.0)
    first = new_key("first")
    async with OpenIdProvider(first) as provider, trusting(provider) as stack:
        alice = await provider.token("alice")
        # It takes connections and never answers; then it is gone.
        for number, fall in enumerate((provider.hang, provider.stop), start=1):
            await fall()
            assert (await watch(stack, number, alice)).decision == ("admitted", f"{number}/4")
            unknown = forged(provider, kid=f"unknown-{number}")
            assert (await watch(stack, number, unknown)).code == "token_invalid"

        provider.keys = (new_key("second"), first)
        await provider.start()
        new = await provider.token("alice")

        async def recovered() -> bool:
            return (await watch(stack, 3, new)).status == 200

        await until(recovered, "the new key is known")
        assert (await watch(stack, 4, alice)).decision == ("admitted", "4/4")
