"""Settings of Common Access Tokens."""

from importlib.util import find_spec

from pydantic import Field, ValidationInfo, field_validator

from proxy.settings.section import Section, idle
from proxy.settings.types import Flag, ParameterName, TokenName

OTHER_HEADERS = {"authorization", "cookie", "dash-if-ietf-token"}


class CatSettings(Section):
    """Common Access Tokens (CTA-5007)."""

    enabled: Flag = Field(
        default=False, description="Look for them; needs the extra: pip install 'playgate[cat]'."
    )
    query_param: ParameterName = Field("CAT", description="The query parameter's name.")
    header: TokenName = Field("CTA-Common-Access-Token", description="The header's name.")
    cookie: TokenName = Field("CTA-Common-Access-Token", description="The cookie's name.")

    @field_validator("query_param", "header", "cookie")
    @classmethod
    def _is_looked_for(cls, name: str, info: ValidationInfo) -> str:
        if info.data.get("enabled") is False:
            idle(cls, info, name, "with enabled: false")
        return name

    @field_validator("header")
    @classmethod
    def _is_its_own(cls, header: str) -> str:
        if header.lower() in OTHER_HEADERS:
            raise ValueError("is where other tokens come")
        return header

    @field_validator("enabled")
    @classmethod
    def _is_installed(cls, enabled: bool) -> bool:  # noqa: FBT001  # pydantic's signature
        if enabled and find_spec("cwt") is None:
            raise ValueError("needs what is not installed: pip install 'playgate[cat]'")
        return enabled
