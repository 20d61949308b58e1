"""Text on a dark, translucent, rounded panel, and how it is laid over a frame."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from realtime.frames import Pixels
from realtime.screen.thumbnails import Thumbnail

INK, DIM, RED = (255, 255, 255), (190, 198, 206), (255, 84, 72)
DOT = "\N{BLACK CIRCLE}"
_BACKGROUND = (12, 14, 18, 190)
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Line:
    """A line of text; a tab starts the next column. `size` is relative to that of the panel."""

    text: str
    colour: tuple[int, int, int] = INK
    size: float = 1.0


@dataclass(frozen=True, eq=False)
class Panel:
    """What is laid over a frame. Both are h x w x 3 uint8.

    Args:
        colour: RGB, already multiplied by the opacity.
        kept: what is kept of the frame, 0..255.
    """

    colour: Pixels
    kept: Pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.colour.shape[1], self.colour.shape[0]


@functools.lru_cache(maxsize=32)
def text_panel(lines: Sequence[Line], size: int, thumbnail: Thumbnail | None = None) -> Panel:
    """Returns lines of text on a panel. Cached: most texts stay for many frames.

    Args:
        lines: at least one.
        size: of the letters, in pixels.
        thumbnail: shown left of the text, None for none.
    """
    margin, gap = size * 2 // 3, size
    fonts = [ImageFont.load_default(max(8, round(size * line.size))) for line in lines]
    cells = [line.text.split("\t") for line in lines]
    tabs = _columns(cells, fonts, gap)
    heights = [round(1.4 * size * line.size) for line in lines]
    text_height = sum(heights) - round(0.4 * size * lines[-1].size)
    side = 0 if thumbnail is None else min(max(text_height, 3 * size), 4 * size)
    picture = None if thumbnail is None else Image.fromarray(thumbnail.pixels).resize((side * 4 // 3, side))
    left = margin + (0 if picture is None else picture.width + gap)
    image, draw = _background(left + round(tabs[-1]) - gap + margin, max(text_height, side) + 2 * margin, margin)
    if picture is not None:
        image.paste(picture, (margin, margin), _rounded(picture.size, margin // 2))
    y = margin
    for row, line, font, height in zip(cells, lines, fonts, heights, strict=True):
        for column, text in enumerate(row):
            # what a key does is bright, its name is not
            colour = DIM if len(row) > 1 and column % 2 == 0 else line.colour
            _write(draw, (left + round(tabs[column]), y), text, font, colour)
        y += height
    return _premultiplied(image)


@functools.lru_cache(maxsize=4)
def strip_panel(thumbnails: Sequence[tuple[str, Thumbnail]], size: int) -> Panel:
    """Returns thumbnails side by side, with their names below.

    Args:
        thumbnails: at least one, each with its name.
        size: of the letters, in pixels.
    """
    margin, font = size * 2 // 3, ImageFont.load_default(max(8, size))
    width, height = 5 * size, 15 * size // 4
    image, draw = _background(
        len(thumbnails) * (width + margin) + margin, height + 2 * margin + round(1.3 * size), margin
    )
    for index, (name, thumbnail) in enumerate(thumbnails):
        left = margin + index * (width + margin)
        picture = Image.fromarray(thumbnail.pixels).resize((width, height))
        image.paste(picture, (left, margin), _rounded(picture.size, margin // 2))
        fitting = next(name[:end] for end in range(len(name), 0, -1) if end == 1 or font.getlength(name[:end]) <= width)
        draw.text((left, margin + height + size // 5), fitting, font=font, fill=(*INK, 255), anchor="la")
    return _premultiplied(image)


def picture_panel(pixels: Pixels, height: int) -> Panel:
    """Returns a picture with a bright rim, as high as that.

    Args:
        pixels: H x W x 3 uint8 RGB.
        height: of the picture, in pixels.
    """
    rim = max(1, height // 60)
    width = max(1, round(height * pixels.shape[1] / pixels.shape[0]))
    small = np.asarray(cv2.resize(pixels, (width, max(1, height)), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    framed = np.pad(small, ((rim, rim), (rim, rim), (0, 0)), constant_values=255)
    return Panel(framed, np.zeros_like(framed))


def stacked(upper: Panel, lower: Panel) -> Panel:
    """Returns two panels as one: the lower one below the upper one, both centred."""
    width, gap = max(upper.size[0], lower.size[0]), upper.size[1] // 40
    colours = (_framed(upper.colour, width, gap, 0), _framed(lower.colour, width, 0, 0))
    kept = (_framed(upper.kept, width, gap, 255), _framed(lower.kept, width, 0, 255))
    return Panel(np.vstack(colours), np.vstack(kept))


def _framed(pixels: Pixels, width: int, below: int, value: int) -> Pixels:
    left = (width - pixels.shape[1]) // 2
    around = ((0, below), (left, width - pixels.shape[1] - left), (0, 0))
    return np.pad(pixels, around, constant_values=value)


def blend(canvas: Pixels, panel: Panel, position: str, opacity: float = 1.0) -> None:
    """Lays a panel over the canvas, cut off at its edges if the canvas is too small.

    Args:
        canvas: H x W x 3 uint8 RGB, changed in place.
        panel: what is laid over it.
        position: "top left", "bottom left", "bottom right", "bottom", "above bottom" or "centre".
        opacity: of the panel, 0..1.
    """
    height, width = canvas.shape[:2]
    rows, columns = min(panel.size[1], height), min(panel.size[0], width)
    gap = min(12, height // 40)
    middle, centre = (height - rows) // 2, (width - columns) // 2
    low, right = height - rows - gap, width - columns - gap
    top, left = {
        "top left": (gap, gap),
        "bottom left": (low, gap),
        "bottom right": (low, right),
        "bottom": (low - gap, centre),
        "above bottom": (low - 2 * gap - rows, centre),
        "centre": (middle, centre),
    }[position]
    top, left = max(0, min(top, height - rows)), max(0, min(left, width - columns))
    region = canvas[top : top + rows, left : left + columns]
    colour, kept = panel.colour[:rows, :columns], panel.kept[:rows, :columns]
    over = cv2.add(cv2.multiply(region, kept, scale=1 / 255), colour)
    region[:] = over if opacity >= 1 else cv2.addWeighted(over, opacity, region, 1 - opacity, 0)


def _columns(cells: Sequence[Sequence[str]], fonts: Sequence[_Font], gap: int) -> list[float]:
    """Returns where each column starts, and last where the next one would."""
    tabs = [0.0]
    for column in range(max(len(row) for row in cells)):
        widths = [font.getlength(row[column]) for row, font in zip(cells, fonts, strict=True) if column < len(row)]
        tabs.append(tabs[-1] + max(widths) + gap)
    return tabs


def _background(width: int, height: int, radius: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), radius=radius, fill=_BACKGROUND)
    return image, draw


def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius=radius, fill=255)
    return mask


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, font: _Font, colour: tuple[int, int, int]
) -> None:
    """Writes the text; the REC dot is drawn, since the font has none."""
    x, y = at
    if text.startswith(DOT):
        side = round(font.getlength("O"))
        top = y + round(side * 0.25)
        draw.ellipse((x, top, x + side, top + side), fill=(*colour, 255))
        text, x = text[1:], x + side
    draw.text((x, y), text, font=font, fill=(*colour, 255), anchor="la")


def _premultiplied(image: Image.Image) -> Panel:
    pixels = np.asarray(image)
    alpha = np.repeat(pixels[..., 3:], 3, axis=2)
    colour = cv2.multiply(np.ascontiguousarray(pixels[..., :3]), alpha, scale=1 / 255)
    return Panel(np.asarray(colour, dtype=np.uint8), 255 - alpha)
