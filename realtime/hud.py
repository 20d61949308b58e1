"""What is written over the picture on the screen: the HUD, messages, the help. Never into a recording."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from realtime.frames import Pixels
from realtime.session import Session, key_help

_INK, _DIM, _RED = (255, 255, 255), (190, 198, 206), (255, 84, 72)
_PANEL = (12, 14, 18, 190)

Text = tuple[str, tuple[int, int, int]]


@dataclass(frozen=True)
class Readings:
    """What the HUD shows of the loop: frames per second, capture to display in ms, dropped frames, names.

    standing: a line for every sink or source that has something to say, such as "on air at rtmp://example.org".
    """

    fps: float
    latency_ms: float
    dropped: int
    backend: str
    caption: str
    recorded_s: float | None = None
    standing: Sequence[str] = ()


def draw_hud(pixels: Pixels, session: Session, readings: Readings) -> Pixels:
    """Returns the picture with everything written on it that the session asks for; the input is left as it is."""
    panels = []
    height, width = pixels.shape[:2]
    size = int(min(max(11, height / 26), max(11, width / 36)))
    if session.hud:
        panels.append(("top left", _status(session, readings)))
    if session.notice and time.monotonic() < session.notice_until_s:
        panels.append(("bottom", ((session.notice, _INK),)))
    if session.help:
        panels.append(("centre", tuple((f"{keys}\t{meaning}", _INK) for keys, meaning in key_help())))
    if not panels:
        return pixels
    canvas = pixels.copy()
    for place, lines in panels:
        # the help has many lines, and all of them are to be seen
        fitting = int(height / (1.4 * len(lines) + 2))
        _blend(canvas, _panel(lines, max(8, min(size, fitting))), place)
    return canvas


def _status(session: Session, readings: Readings) -> tuple[Text, ...]:
    lines: list[Text] = [("original" if session.original else readings.caption, _INK)]
    lines.append((f"{readings.fps:.0f} fps   {readings.latency_ms:.0f} ms   {readings.backend}", _DIM))
    if readings.dropped:
        lines.append((f"{readings.dropped} camera frames skipped", _DIM))
    if readings.recorded_s is not None:
        minutes, seconds = divmod(int(readings.recorded_s), 60)
        lines.append((f"\N{BLACK CIRCLE} REC {minutes}:{seconds:02d}", _RED))
    lines.extend((line, _INK) for line in readings.standing)
    if session.frozen:
        lines.append(("frozen (space goes on)", _DIM))
    return tuple(lines)


@functools.lru_cache(maxsize=16)
def _panel(lines: Sequence[Text], size: int) -> NDArray[np.uint16]:
    """Returns the text on a dark, rounded, translucent panel: h x w x 4, colours premultiplied with alpha, 0..255.

    A tab in a line starts its second column. Cached: most texts stay for many frames.
    """
    font = ImageFont.load_default(size)
    cells = [text.split("\t") for text, _ in lines]
    columns = [max((font.getlength(row[i]) for row in cells if i < len(row)), default=0) for i in range(2)]
    margin, line_height = size * 2 // 3, round(size * 1.4)
    second = margin + round(columns[0]) + (size if columns[1] else 0)
    width = second + round(columns[1]) + margin
    height = 2 * margin + line_height * len(lines) - (line_height - size)
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), radius=margin, fill=_PANEL)
    for row, (cell, (_, colour)) in enumerate(zip(cells, lines, strict=True)):
        y = margin + row * line_height
        _write(draw, (margin, y), cell[0], font, _DIM if len(cell) > 1 else colour)
        if len(cell) > 1:
            _write(draw, (second, y), cell[1], font, colour)
    pixels = np.asarray(image, dtype=np.uint16)
    return np.concatenate([pixels[..., :3] * pixels[..., 3:] // 255, pixels[..., 3:]], axis=2)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    colour: tuple[int, int, int],
) -> None:
    """Writes the text; the REC dot is drawn, since the font has none."""
    x, y = at
    if text.startswith("\N{BLACK CIRCLE}"):
        side = round(font.getlength("O"))
        top = y + round(side * 0.25)
        draw.ellipse((x, top, x + side, top + side), fill=(*colour, 255))
        text, x = text[1:], x + side
    draw.text((x, y), text, font=font, fill=(*colour, 255), anchor="la")


def _blend(canvas: Pixels, panel: NDArray[np.uint16], place: str) -> None:
    """Lays a panel over the canvas, cut off at its edges where the picture is too small."""
    height, width = canvas.shape[:2]
    rows, columns = min(panel.shape[0], height), min(panel.shape[1], width)
    gap = min(12, height // 40)
    top, left = {
        "top left": (gap, gap),
        "bottom": (height - rows - 2 * gap, (width - columns) // 2),
        "centre": ((height - rows) // 2, (width - columns) // 2),
    }[place]
    top, left = max(0, min(top, height - rows)), max(0, min(left, width - columns))
    region = canvas[top : top + rows, left : left + columns]
    colour, alpha = panel[:rows, :columns, :3], panel[:rows, :columns, 3:]
    region[:] = (region * (255 - alpha) // 255 + colour).astype(np.uint8)
