"""What is asked of browsers without the packages for it ends with one line that says what to type."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.realtime.conftest import NstLive

ASKED = {"-i browser": ("-i", "browser"), "--control": ("-i", "test", "--control")}
# What imports the packages, and may have done so for other tests.
_IMPORTING = {"server", "signalling", "peers", "aiortc_seams", "api", "links"}


@pytest.mark.parametrize("flag", ASKED)
@pytest.mark.parametrize("package", ["aiortc", "aiohttp"])
def test_the_extra_is_named(
    flag: str, package: str, nst_live: NstLive, missing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing(package)
    for module in [name for name in sys.modules if name.startswith("realtime.remote.")]:
        if module.rpartition(".")[2] in _IMPORTING:
            monkeypatch.delitem(sys.modules, module)
    told = nst_live(*ASKED[flag], "--no-window")
    assert told.code == 2
    assert told.complaint == f'nst-live: {flag} needs the package {package}; type: pip install "nst-live[control]"'
