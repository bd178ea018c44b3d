"""Base64url without padding (RFC 4648 §5, RFC 7515 §2): written, and read in its one form.

Each request with a token or a ticket does this a dozen times; what the standard library's functions
do around ``binascii`` costs several times as much.
"""

from binascii import a2b_base64, b2a_base64

TO_URL = bytes.maketrans(b"+/", b"-_")
TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def write(raw: bytes) -> str:
    """Write bytes down."""
    return b2a_base64(raw, newline=False).rstrip(b"=").translate(TO_URL).decode()


def read(text: bytes) -> bytes:
    """Read what was written; ``text`` is of nothing but the alphabet.

    Raises:
        ValueError: it is not what ``write`` makes of any bytes: a character is missing, or there
            are bits beyond the last byte.
    """
    standard = text.translate(TO_STANDARD)
    raw = a2b_base64(standard + b"===")  # as much as any may need; what is too much is ignored
    if b2a_base64(raw, newline=False).rstrip(b"=") != standard:
        raise ValueError("bits beyond the last byte")
    return raw
