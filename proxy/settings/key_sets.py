"""Entries of ``auth.keys``: one key, or a key set that its issuer changes (RFC 7517).

Which of them an entry is, is told by ``jwks_url`` or ``jwks_file`` in it. A file is tried on when
the configuration is loaded; a URL cannot be, its issuer may be away.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from proxy import jwks
from proxy.algorithms import PublicKeyAlgorithm
from proxy.settings.files import FileSetting, LoadedFile
from proxy.settings.keys import AuthKey, Issuers
from proxy.settings.section import Section, conflict, conflicts, details
from proxy.settings.types import Duration, Flag, at_least, at_most, distinct, not_empty
from proxy.settings.urls import DocumentUrl, is_safe


class KeySetSettings(Section):
    """What all key sets have in common."""

    algorithms: Annotated[tuple[PublicKeyAlgorithm, ...], not_empty, distinct] = Field(
        description="What the set's keys are used with; keys for anything else are left out."
    )
    issuer: Issuers | None = Field(
        None,
        description="The `iss` of the tokens the set is for, one or several; null: it verifies any"
        " issuer's.",
    )


class KeySetUrl(KeySetSettings):
    """A key set that its issuer publishes at a URL."""

    allow_http: Flag = Field(
        default=False,
        description="Whether jwks_url may be plain http beyond this machine: for networks on which"
        " nobody else could answer.",
    )
    jwks_url: DocumentUrl = Field(
        repr=False,
        description="Where the key set is: an OpenID provider's `jwks_uri`, https. Its query is"
        " shown nowhere.",
    )
    refresh: Annotated[Duration, at_least("30s"), at_most("1d")] = Field(
        600.0, description="How long a set is used before it is looked at again, at most."
    )

    @field_validator("jwks_url")
    @classmethod
    def _is_trusted(cls, url: str, info: ValidationInfo) -> str:
        if not is_safe(url) and not info.data.get("allow_http", True):
            raise ValueError("must start with https://, or with allow_http: true beside it")
        return url

    @model_validator(mode="after")
    def _is_needed(self) -> Self:
        if self.allow_http and self.jwks_url.startswith("https:"):
            raise conflicts(conflict("has no use with a jwks_url that is https", "allow_http"))
        return self


class KeySetFile(KeySetSettings):
    """A key set in a file, which may be replaced while the proxy runs."""

    jwks_file: FileSetting = Field(
        description="A file with the key set; looked at every few seconds."
    )

    @field_validator("jwks_file")
    @classmethod
    def _can_be_used(cls, file: LoadedFile, info: ValidationInfo) -> LoadedFile:
        if algorithms := info.data.get("algorithms"):
            jwks.parse(file.content, algorithms)
        return file


MARKERS: Mapping[str, type[KeySetSettings]] = {"jwks_url": KeySetUrl, "jwks_file": KeySetFile}
ALL_KEYS = {*AuthKey.model_fields, *KeySetUrl.model_fields, *KeySetFile.model_fields}


def _entry(item: Any, _: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """Validate an entry as the kind it is, so that only that kind's mistakes are told."""
    if isinstance(item, Section):
        return item
    marker = next((name for name in MARKERS if isinstance(item, Mapping) and name in item), None)
    if marker is None:
        return AuthKey.model_validate(item, context=info.context)
    kind = MARKERS[marker]
    foreign = [name for name in item if name in ALL_KEYS - kind.model_fields.keys()]
    found = [conflict(f"has no use with {marker}", name) for name in foreign]
    rest = {name: value for name, value in item.items() if name not in foreign}
    try:
        valid = kind.model_validate(rest, context=info.context)
    except ValidationError as error:
        raise conflicts(*details(error), *found) from None
    if found:
        raise conflicts(*found)
    return valid


KeyEntry = Annotated[AuthKey | KeySetUrl | KeySetFile, WrapValidator(_entry)]
