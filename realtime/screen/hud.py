"""What is written over the frame on the screen: the HUD, messages, the help. It is never recorded."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from realtime.frames import Pixels
from realtime.screen.panel import (
    DIM,
    DOT,
    INK,
    RED,
    Line,
    Panel,
    blend,
    picture_panel,
    stacked,
    strip_panel,
    text_panel,
)
from realtime.screen.thumbnails import Thumbnail
from realtime.session import Session, key_help

_FADE_OUT_S = 0.5


@dataclass(frozen=True, eq=False)
class Code:
    """A QR code on the screen.

    Args:
        pixels: H x H x 3 uint8 RGB, dark on white; None if there is only something to say.
        text: a line about it.
    """

    pixels: Pixels | None
    text: str


@dataclass(frozen=True)
class Readings:
    """What the HUD shows.

    Args:
        fps: frames per second.
        latency_ms: from capture to display.
        dropped: the number of live frames that were skipped.
        backend: what paints.
        caption: title and artist of the style.
        recorded_s: for how long a recording has been running, None for none.
        standing: a line for every sink or source that has something to report, e.g. "on air at rtmp://example.org".
        reason: why no better backend paints, '' for none.
        net_scale: the share of width and height that the net paints at.
        thumbnail: of the style, None for none.
        thumbnails: of all styles, with their names; for the help.
        taken: the picture that was just taken for a style, H x W x 3 uint8 RGB, None for none.
        keys: the keys and what they mean; for the help.
        snapshot: the name of the snapshot that was just saved, '' for none.
        code: the QR code that is shown, with a line about it; None for none.
    """

    fps: float
    latency_ms: float
    dropped: int
    backend: str
    caption: str
    recorded_s: float | None = None
    standing: Sequence[str] = ()
    reason: str = ""
    net_scale: float = 1.0
    thumbnail: Thumbnail | None = None
    thumbnails: Sequence[tuple[str, Thumbnail]] = ()
    taken: Pixels | None = None
    keys: Sequence[tuple[str, str]] = key_help()
    snapshot: str = ""
    code: Code | None = None


def draw_hud(pixels: Pixels, session: Session, readings: Readings) -> Pixels:
    """Returns the frame with everything written on it that the session asks for.

    Args:
        pixels: H x W x 3 uint8 RGB, left as it is.
        session: says what is shown.
        readings: the figures.
    """
    height, width = pixels.shape[:2]
    size = int(min(max(11, height / 26), max(11, width / 36)))
    opacity = (session.notice_until_s - time.monotonic()) / _FADE_OUT_S if session.notice else 0.0
    is_shown = session.countdown_until_s is not None or readings.taken is not None or readings.code is not None
    if session.hud == "off" and opacity <= 0 and not session.help and not is_shown:
        return pixels
    canvas = pixels.copy()
    if session.help:
        _draw_help(canvas, readings, size)
    if session.hud != "off" and not session.help:  # the help needs the room
        _draw_status(canvas, session, readings, size)
    if session.countdown_until_s is not None:
        left_s = max(1, math.ceil(session.countdown_until_s - time.monotonic()))
        blend(canvas, text_panel((Line(str(left_s)),), 3 * size), "centre")
    if readings.taken is not None:
        blend(canvas, picture_panel(readings.taken, height // 3), "bottom right")
    if readings.code is not None:
        _draw_code(canvas, readings.code, size)
    if opacity > 0:
        # the compare view has its captions at the bottom
        position = "bottom" if session.view == "painting" else "above bottom"
        blend(canvas, text_panel((Line(session.notice),), size), position, min(1.0, opacity))
    return canvas


def _draw_status(canvas: Pixels, session: Session, readings: Readings, size: int) -> None:
    full = session.hud == "full"
    lines = _full_status(session, readings) if full else _minimal_status(session, readings)
    thumbnail = readings.thumbnail if full and not session.original else None
    blend(canvas, text_panel(lines, size, thumbnail), "top left")
    if session.view != "painting":
        blend(canvas, text_panel((Line("camera", DIM),), size), "bottom left")
        painted = session.style_name if len(session.mix) < 2 and not session.original else _name(session, readings)
        blend(canvas, text_panel((Line(painted, DIM),), size), "bottom right")


def _full_status(session: Session, readings: Readings) -> tuple[Line, ...]:
    figures = [f"{readings.fps:.0f} fps", f"{readings.latency_ms:.0f} ms"]
    by_hand = session.brush != session.given_brush
    if session.brush < 1 or by_hand:
        figures.append(f"brush {100 * session.brush:.0f} %" + (" by hand" if by_hand else ""))
    if readings.net_scale < 1:
        figures.append(f"net {100 * readings.net_scale:.0f} %")
    if session.react:
        figures.append(f"sound {100 * session.react:.0f} %")
    if readings.dropped:
        figures.append(f"{readings.dropped} camera frames skipped")
    lines = [Line(_name(session, readings), INK, 1.2), Line("   ".join(figures), DIM)]
    reason = f" ({readings.reason})" if readings.reason else ""
    lines.append(Line(readings.backend + reason, DIM, 0.85 if reason else 1.0))
    lines.extend(Line(text) for text in readings.standing)
    return (*lines, *_alerts(session, readings))


def _minimal_status(session: Session, readings: Readings) -> tuple[Line, ...]:
    return (Line(f"{_name(session, readings)}   {readings.fps:.0f} fps", INK, 0.85), *_alerts(session, readings))


def _alerts(session: Session, readings: Readings) -> tuple[Line, ...]:
    lines = []
    if readings.recorded_s is not None:
        minutes, seconds = divmod(int(readings.recorded_s), 60)
        lines.append(Line(f"{DOT} REC {minutes}:{seconds:02d}", RED))
    if session.frozen:
        lines.append(Line(f"frozen ({session.key('frozen', 'space')}: go on)", DIM))
    if session.muted:
        lines.append(Line(f"sound off ({session.key('muted', 'u')})", DIM))
    return tuple(lines)


def _draw_help(canvas: Pixels, readings: Readings, size: int) -> None:
    height, width = canvas.shape[:2]
    blend(canvas, _help_panel(width, height, size, tuple(readings.keys), tuple(readings.thumbnails)), "centre")


def _draw_code(canvas: Pixels, code: Code, size: int) -> None:
    text = text_panel((Line(code.text),), size)
    if code.pixels is None:
        blend(canvas, text, "centre")
        return
    blend(canvas, stacked(picture_panel(code.pixels, canvas.shape[0] // 2), text), "centre")


@functools.lru_cache(maxsize=4)
def _help_panel(
    width: int, height: int, size: int, keys: Sequence[tuple[str, str]], thumbnails: Sequence[tuple[str, Thumbnail]]
) -> Panel:
    """Returns all keys in two double columns, and below them the styles if the frame is large enough."""
    rows = -(-len(keys) // 2)
    pairs = zip(keys[:rows], (*keys[rows:], ("", "")), strict=False)
    lines = tuple(Line("\t".join((*left, *right))) for left, right in pairs)
    # the help must fit
    size = max(8, min(size, int(height / (1.4 * rows + 2)), width // 42))
    panel = text_panel(lines, size)
    while size > 8 and panel.size[0] > width - 2:
        size -= 1
        panel = text_panel(lines, size)
    if thumbnails:
        both = stacked(panel, strip_panel(thumbnails, size))
        if both.size[1] <= height and both.size[0] <= width:
            return both
    return panel


def _name(session: Session, readings: Readings) -> str:
    return "original" if session.original else readings.caption
