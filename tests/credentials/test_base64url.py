from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials import base64url


@given(raw=st.binary(max_size=40))
def test_what_is_written_is_the_standard_without_padding_and_read_back(raw: bytes) -> None:
    text = base64url.write(raw)
    assert text == urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert base64url.read(text.encode()) == raw


@pytest.mark.parametrize("text", [b"A", b"AAAAA", b"AB", b"AAB", b"__", b"AAAAA_"])
def test_another_way_to_write_the_same_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"bits|base64|padding"):
        base64url.read(text)
