"""A short show with all its parts leaks nothing and keeps together; an hour of it is `python -m tests.soak`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.realtime.servers import no_nginx_reason
from tests.soak.__main__ import soak

MISSING = [program for program in ("Xvfb", "xdotool") if shutil.which(program) is None]


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process holds is read from /proc")
@pytest.mark.skipif(no_nginx_reason() is not None, reason=str(no_nginx_reason()))
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_a_minute_of_a_show_with_all_its_parts_leaks_nothing_and_keeps_together(tmp_path: Path) -> None:
    result = soak(1, tmp_path)
    assert result.complaints() == [], "\n".join(result.lines())
    assert len(result.streams) >= 2, "the server was away for a while"
    assert result.recording is not None
    assert result.recording.audio_s == pytest.approx(result.recording.video_s, abs=1.5)
