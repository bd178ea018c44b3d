"""Settings of credentials: which tokens are good, and what the tickets are made with."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from proxy.settings.cat import CatSettings
from proxy.settings.files import FileSetting
from proxy.settings.key_sets import KeyEntry
from proxy.settings.keys import AuthKey, Issuers, check_secret, exclusive
from proxy.settings.material import material
from proxy.settings.section import (
    Section,
    conflict,
    conflicts,
    idle,
    is_default,
    no_twins,
    together,
)
from proxy.settings.signing import UriSigningSettings
from proxy.settings.types import (
    Duration,
    Flag,
    NonEmpty,
    ParameterName,
    Secret,
    TokenName,
    at_least,
    at_most,
    distinct,
    not_empty,
    one_or_many,
    within_a_year,
)

# Tickets are signed with HS256 and accounts hashed with HMAC-SHA-256 (RFC 7518 §3.2); in bytes.
TICKET_SECRET_LENGTH = 32
# What tells of the token by whom, for whom, when and which it is (RFC 7519 §4.1), and of nobody who
# watches: as an account it would be another with each token, or one for all.
OF_THE_TOKEN = ("iss", "aud", "exp", "nbf", "iat", "jti")
# Where credentials come whatever is configured.
CREDENTIAL_HEADERS = {
    *("authorization", "proxy-authorization", "cookie", "dash-if-ietf-token"),
    "cta-common-access-token",
}


class ClaimSettings(Section):
    """The names of the token's claims."""

    account: NonEmpty = Field("sub", description="Whose streams are counted together.")
    device: NonEmpty = Field("device_id", description="The device; makes takeover exact.")
    plan: NonEmpty = Field("plan", description="A key of limits.plans.")
    limit: NonEmpty = Field("max_streams", description="The limit itself; beats all others.")
    device_class: NonEmpty = Field(
        "device_class", description="What kind of device it is, where rules ask; beats User-Agent."
    )

    @field_validator("account")
    @classmethod
    def _is_somebody(cls, name: str) -> str:
        if name in OF_THE_TOKEN:
            raise ValueError("is a claim about the token, which says of nobody who it is; try sub")
        return name

    @field_validator("device", "plan", "limit", "device_class")
    @classmethod
    def _says_one_thing(cls, name: str, info: ValidationInfo) -> str:
        twin = next((other for other, theirs in info.data.items() if theirs == name), None)
        if twin is not None:
            raise ValueError(f"is auth.claims.{twin}, too, and one claim cannot say both")
        if info.field_name == "device" and name in OF_THE_TOKEN and name != "jti":
            raise ValueError("is a claim about the token, which names no device")
        return name


class AuthSettings(Section):
    """Which tokens are good."""

    sources: Annotated[tuple[Literal["query", "header", "cookie"], ...], not_empty, distinct] = (
        Field(("query", "header", "cookie"), description="Where a token is looked for, in order.")
    )
    query_param: ParameterName = Field("token", description="The query parameter's name.")
    cookie: TokenName = Field("session", description="The cookie's name.")
    keys: Annotated[
        tuple[KeyEntry, ...],
        not_empty,
        together(
            no_twins("auth.keys", "kid", apart="issuer"),
            no_twins("auth.keys", "jwks_url"),
            no_twins("auth.keys", "jwks_file"),
        ),
    ] = Field(
        description="Any number of keys and key sets; a token's key is chosen by its issuer, then"
        " by kid, then by algorithm."
    )
    issuer: Issuers | None = Field(
        None, description="The `iss` every token must have, one or several; null: not looked at."
    )
    account_per_issuer: Flag = Field(
        default=False,
        description="Whether equal names of two issuers are two accounts, each known to operators"
        " as `<iss> <name>`; false: they are one.",
    )
    audience: Annotated[tuple[NonEmpty, ...], not_empty, one_or_many] | None = Field(
        None, description="The `aud` of ours, one or several; null: not looked at."
    )
    leeway: Annotated[Duration, at_most("1h")] = Field(
        10.0, description="How far the issuer's clock may be off."
    )
    revocation_ttl: Annotated[Duration, at_least("1s"), at_most("3660d")] = Field(
        720 * 3600.0,
        description="How long a revocation is remembered that does not say when its token expires:"
        " at least as long as the longest-lived token.",
    )
    claims: ClaimSettings = Field(
        default_factory=ClaimSettings, description="Which claims carry what."
    )
    uri_signing: UriSigningSettings = Field(
        default_factory=UriSigningSettings, description="Tokens for one URI (RFC 9246)."
    )
    cat: CatSettings = Field(
        default_factory=CatSettings, description="Common Access Tokens (CTA-5007)."
    )

    @field_validator("query_param", "cookie")
    @classmethod
    def _is_looked_for(cls, name: str, info: ValidationInfo) -> str:
        source = "query" if info.field_name == "query_param" else "cookie"
        if source not in info.data.get("sources", (source,)):
            idle(cls, info, name, f"without {source} in auth.sources")
        return name

    @field_validator("uri_signing")
    @classmethod
    def _has_a_place(cls, signing: UriSigningSettings, info: ValidationInfo) -> UriSigningSettings:
        if signing.enabled and {"query", "cookie"}.isdisjoint(info.data.get("sources", ("query",))):
            raise conflicts(conflict("needs query or cookie in auth.sources", "enabled"))
        return signing

    @field_validator("cat")
    @classmethod
    def _is_looked_for_there(cls, cat: CatSettings, info: ValidationInfo) -> CatSettings:
        names = {"query": "query_param", "header": "header", "cookie": "cookie"}
        found = [
            conflict(f"has no use without {source} in auth.sources", name)
            for source, name in names.items()
            if source not in info.data.get("sources", names)
            and not is_default(CatSettings, name, getattr(cat, name))
        ]
        if found:
            raise conflicts(*found)
        return cat

    @field_validator("uri_signing", "cat")
    @classmethod
    def _is_told_from_others(
        cls, value: UriSigningSettings | CatSettings, info: ValidationInfo
    ) -> UriSigningSettings | CatSettings:
        """See that no two kinds of token have a name in common: the first would hide the other."""
        signing: UriSigningSettings | None = info.data.get("uri_signing")
        for kind in ("query_param", "cookie"):
            others = {info.data.get(kind): f"auth.{kind}"}
            if signing is not None and signing.enabled:
                others[signing.param] = "auth.uri_signing.param"
            field = "param" if isinstance(value, UriSigningSettings) else kind
            if value.enabled and (setting := others.get(getattr(value, field))):
                raise conflicts(conflict(f"is the name of other tokens, {setting}, too", field))
        return value

    @property
    def query_params(self) -> dict[str, str]:
        """The query parameters that a token may come in, each with the setting that names it."""
        cat = {self.cat.query_param: "auth.cat.query_param"} if self.cat.enabled else {}
        return {self.query_param: "auth.query_param", **self._packages, **cat}

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that a token may come in, each with the setting that names it."""
        cat = {self.cat.cookie: "auth.cat.cookie"} if self.cat.enabled else {}
        return {self.cookie: "auth.cookie", **self._packages, **cat}

    def holder_of(self, secret: bytes) -> str | None:
        """Name the setting that has this secret; None where none has."""
        keys = enumerate(self.keys)
        mine = {f"auth.keys[{i}]": key.shared_secret for i, key in keys if isinstance(key, AuthKey)}
        for index, key in enumerate(self.uri_signing.decryption_keys):
            mine[f"auth.uri_signing.decryption_keys[{index}]"] = key.material
        return next((name for name, theirs in mine.items() if theirs == secret), None)

    @property
    def headers(self) -> set[str]:
        """The headers that carry credentials, in lower case."""
        cat = {self.cat.header.lower()} if self.cat.enabled else set()
        return CREDENTIAL_HEADERS | cat

    @property
    def _packages(self) -> dict[str, str]:
        signing = self.uri_signing
        return {signing.param: "auth.uri_signing.param"} if signing.enabled else {}

    @field_validator("issuer")
    @classmethod
    def _leaves_no_key_useless(
        cls, issuer: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        keys = info.data.get("keys", ())
        for index, key in enumerate(keys):
            if issuer is not None and key.issuer is not None and not {*key.issuer} <= {*issuer}:
                reason = (
                    f"leaves out an issuer of auth.keys[{index}], whose tokens would be refused"
                )
                raise ValueError(f"{reason}; list it here too, or leave auth.issuer out")
        found = [
            conflict(
                "is an issuer for which auth.keys has no key: add one, or leave it out", position
            )
            for position, name in enumerate(issuer or ())
            if keys and not any(key.issuer is None or name in key.issuer for key in keys)
        ]
        if found:
            raise conflicts(*found)
        return issuer


class TicketSettings(Section):
    """Playback tickets: what children of an admitted manifest carry instead of the token."""

    secret_file: FileSetting | None = Field(
        None, description="A file with the secret; one line end at its end is not part of it."
    )
    secret: Secret | None = Field(
        None,
        validate_default=True,
        description="Signs tickets and hashes account names: at least 32 bytes, the same on all"
        " proxies. A new one ends all playbacks and forgets all counts.",
    )
    ttl: Annotated[Duration, at_least("2m"), within_a_year] = Field(
        12 * 3600.0, description="The longest one playback may last."
    )
    param: ParameterName = Field("_sid", description="The query parameter that carries it.")

    @field_validator("secret_file", "secret")
    @classmethod
    def _is_one_and_long(
        cls, value: Secret | FileSetting | None, info: ValidationInfo
    ) -> Secret | FileSetting | None:
        if value is not None:
            check_secret(value, TICKET_SECRET_LENGTH, "it")
        if info.field_name == "secret" and "secret_file" in info.data:
            file = info.data["secret_file"]
            exclusive(file, value, "secret")
            if value is None and file is None:
                raise ValueError("secret or secret_file is required; empty is as if left out")
        return value

    @property
    def key(self) -> bytes:
        """The secret, wherever it came from."""
        value = self.secret or self.secret_file
        assert value is not None  # noqa: S101  # the validator saw to it
        return material(value)
