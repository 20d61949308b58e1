"""What the server knows of the show, and the state that it passes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from realtime.frames import Size
from realtime.player.controls import Controls
from realtime.player.style_uploads import StyleUploads
from realtime.screen.thumbnails import Thumbnails
from realtime.session import values_in
from realtime.sinks.jpeg_frames import JpegFrames


class ChangeableSource(Protocol):
    """A source that can become another one in mid-show."""

    @property
    def source_name(self) -> str:
        """What the source is called now."""

    def change_source(self, text: str) -> str:
        """Changes to another source; returns what it is called. Raises SourceError or ValueError, with one line."""


@dataclass
class RemoteShow:
    """A show that is controlled from elsewhere. What comes with its source is set once that is open.

    Args:
        controls: its state, and what sends commands.
        frames: the newest painting.
        size: width and height of the paintings; None while the source is not open.
        saved: returns the files that were saved in this show, the oldest first.
        thumbnails: small paintings of the styles; None for none.
        uploads: makes styles of pictures; None if none can be made.
        source: what is painted; None if it cannot be changed.
    """

    controls: Controls
    frames: JpegFrames
    size: Size | None = None
    saved: Callable[[], Sequence[Path]] = tuple
    thumbnails: Thumbnails | None = None
    uploads: StyleUploads | None = None
    source: ChangeableSource | None = None

    def capture(self, name: str) -> Path | None:
        """Returns the file of that name that was saved in this show; None if there is none."""
        return next((path for path in self.saved() if path.name == name), None)


def state_of(show: RemoteShow) -> dict[str, Any]:
    """Returns the value of every control by name, and under "show" what can only be read."""
    session = show.controls.session
    state: dict[str, Any] = dict(values_in(session))
    state["source"] = "" if show.source is None else show.source.source_name
    state["show"] = {
        **_readings_of(show),
        "styles": session.style_names,
        "notice": session.notice if session.notice_until_s > time.monotonic() else "",
        "size": show.size,
        "saved": [path.name for path in show.saved()],
        "countdown": session.countdown_until_s is not None,
        "kiosk": show.controls.is_kiosk,
        "ending": session.quitting,
    }
    return state


def _readings_of(show: RemoteShow) -> Mapping[str, Any]:
    readings = show.controls.readings
    if readings is None:
        return {"fps": 0.0, "latency_ms": 0, "backend": "", "caption": "", "recorded_s": None, "standing": []}
    return {
        "fps": round(readings.fps, 1),
        "latency_ms": round(readings.latency_ms),
        "dropped": readings.dropped,
        "backend": readings.backend,
        "caption": readings.caption,
        "recorded_s": None if readings.recorded_s is None else int(readings.recorded_s),
        "standing": list(readings.standing),
    }
