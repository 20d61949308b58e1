"""Addresses without what may be secret in them: passwords and keys stand in any part of a URL but its host."""

from __future__ import annotations

import re
from collections.abc import Iterable

EXAMPLE_ADDRESS = "rtmp://HOST/APP/KEY"
# Also with one slash, by mistake or because it was taken for a path: the password is in it all the same. A drive letter
# is no scheme.
_SCHEME = (
    r"(?:[a-zA-Z][a-zA-Z0-9+.-]+://|(?:rtmp\w*|rtsps?|https?|udp|tcp|tls|srt|rist|s?ftps?|mms\w?):/(?!/)"
    r"|[a-zA-Z][a-zA-Z0-9+.-]+:/(?=[^\s/]+@))"
)
_ADDRESS = re.compile(f"{_SCHEME}/*", re.IGNORECASE)
# In a text an address ends with the quote that it began with, else with the word. A scheme alone is none.
_ADDRESS_IN_TEXT = re.compile(
    rf"""(?!{EXAMPLE_ADDRESS})(?:(?<=')\b{_SCHEME}[^'\n]+|(?<=")\b{_SCHEME}[^"\n]+|\b{_SCHEME}[^\s,;)'"][^\s]*)""",
    re.IGNORECASE,
)
_HOST = re.compile(r"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
_HIDDEN = "…"


def is_address(text: str) -> bool:
    """Returns whether a text is a URL, or was meant to be one."""
    return _ADDRESS.match(text) is not None


def shown_address(url: str) -> str:
    """Returns a URL as it may be shown: scheme, host and port, and "…" for what else there is.

    If it is not certain which part is the host, e.g. because a password contains a slash, only the scheme is shown.
    """
    begin = _ADDRESS.match(url)
    if begin is None:
        return _HIDDEN
    scheme, rest = begin[0].partition(":")[0].lower(), url[begin.end() :]
    if not rest:
        return f"{scheme}://"
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    after = rest[len(authority) :]
    host = authority.rpartition("@")[2]
    if "@" in after or not _HOST.fullmatch(host):
        return f"{scheme}://{_HIDDEN}"
    return f"{scheme}://{host}" + (f"/{_HIDDEN}" if after.strip("/") else "")


def shown_input(text: str) -> str:
    """Returns what may be shown of an input: a file's name as it is, a URL without its secrets."""
    return shown_address(text) if is_address(text) else text


def has_secrets(url: str) -> bool:
    """Returns whether a URL has parts that may be secret."""
    return is_address(url) and (_HIDDEN in shown_address(url) or "@" in url)


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """Returns a text in which each address is as `shown_address` shows it.

    Args:
        text: e.g. what an error says, or where it came from.
        known: addresses that were given; also those are found in the text that do not look like one.
    """
    for address in sorted(filter(is_address, known), key=len, reverse=True):
        for spelling in (address, repr(address)[1:-1]):
            text = text.replace(spelling, shown_address(address))
    return _ADDRESS_IN_TEXT.sub(lambda found: shown_address(found[0]), text)
