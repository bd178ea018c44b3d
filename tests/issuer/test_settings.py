"""The example issuer's settings: what cannot be meant stops the start, and is named."""

from pathlib import Path

import pytest

from issuer.settings import Settings
from tests.issuer.site import environment


@pytest.mark.parametrize(
    "name",
    [
        *("ISSUER_URL", "ISSUER_AUDIENCE", "ISSUER_USERS", "ISSUER_KEYS", "WATCH_URL"),
        *("PLAYGATE_ADMIN_URL", "PLAYGATE_ADMIN_TOKEN"),
    ],
)
@pytest.mark.parametrize("value", [None, "", "something\r\n"])
def test_a_variable_that_is_missing_or_holds_a_line_end_is_named(
    tmp_path: Path, name: str, value: str | None
) -> None:
    environ = environment(tmp_path)
    del environ[name]
    with pytest.raises(ValueError, match=rf"\b{name}$"):
        Settings.of(environ if value is None else environ | {name: value})


@pytest.mark.parametrize("name", ["ISSUER_URL", "WATCH_URL", "PLAYGATE_ADMIN_URL"])
@pytest.mark.parametrize(
    "value",
    ["issuer.example", "ftp://a", "javascript:alert()", "http://", "http://[", "http://a:x"],
)
def test_an_address_that_is_none_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ValueError, match=rf"no http\(s\) URL: {name}$"):
        Settings.of(environment(tmp_path, **{name: value}))
