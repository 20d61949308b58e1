"""Servers that are named for browsers beyond the own network."""

from __future__ import annotations

import pytest

from realtime.remote.ice import IceServer, IceServerError, ice_server_of
from tests.realtime.conftest import NstLive


@pytest.mark.parametrize(
    ("text", "server", "for_browsers"),
    [
        ("stun:stun.example.org", IceServer("stun:stun.example.org:3478"), {"urls": "stun:stun.example.org:3478"}),
        (
            "turn:me:s3cret@192.0.2.1:5000",
            IceServer("turn:192.0.2.1:5000", "me", "s3cret"),
            {"urls": "turn:192.0.2.1:5000", "username": "me", "credential": "s3cret"},
        ),
    ],
)
def test_a_server_is_named_in_one_word(text: str, server: IceServer, for_browsers: dict[str, str]) -> None:
    assert ice_server_of(text) == server
    assert server.for_browsers == for_browsers


@pytest.mark.parametrize("text", ["", "stun:", "turn:host", "stun:a b", "http://host", "turn:me:s3cret@host:port"])
def test_what_is_no_server_is_refused_without_repeating_its_password(text: str) -> None:
    with pytest.raises(IceServerError, match="that is not a server; expected") as refusal:
        ice_server_of(text)
    assert "s3cret" not in str(refusal.value)


def test_a_server_needs_a_page(nst_live: NstLive) -> None:
    told = nst_live("-i", "test", "--frames", 1, "--no-window", "--ice-server", "stun:host")
    assert told.code == 2
    assert told.complaint == "nst-live: --ice-server needs --control"
