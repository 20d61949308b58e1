"""The command `nst-live gallery`: one photograph painted in every style, on one labelled sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from realtime.app.jobs import Job, check_jobs, check_photo_output
from realtime.app.options.settings import export_folders
from realtime.app.options.table import BACKEND, COLORS, KEEP_COLORS, NET, OVERWRITE, STRENGTH, STYLES, FolderOptions
from realtime.backends import FOR_ONE_SIZE, choose_backend
from realtime.frames import Pixels
from realtime.media.photo import Photo, read_photo, resized, write_photo
from realtime.stylize.photo_painter import PhotoPainter, wanted_look
from realtime.stylize.styles import load_ready_styles, network_for
from styles.support.options import CommandParser, Kind, Option, build_parser, option, read_options
from styles.support.progress import progress_bar
from styles.support.readers import parse_count
from styles.support.terminal import print_line

_PAPER, _INK, _PALE = (250, 249, 246), (30, 30, 30), (110, 110, 110)
_CELL_WIDTH = 480
# A sheet is about this many times as wide as it is high.
_SHEET_ASPECT = 1.5


@dataclass(frozen=True)
class GalleryOptions:
    """The options of `nst-live gallery`."""

    photo: Path = option(Option("the photograph", read=Path, metavar="PHOTO", positional=True, required=True))
    output: Path = option(Option("the sheet: jpg, png, webp …", read=Path, metavar="FILE", short="-o", required=True))
    overwrite: bool = option(OVERWRITE)
    columns: int | None = option(
        Option("pictures in a row", read=parse_count, default_text="depends on their number", metavar="N")
    )
    width: int = option(Option("width of each picture, in pixels", read=parse_count, default=_CELL_WIDTH, metavar="N"))
    style: tuple[str, ...] = option(
        Option(
            "styles by name, pictures, or files, in place of every style",
            Kind.VALUES,
            default=(),
            metavar="NAME|FILE",
        )
    )
    styles: Path | None = option(STYLES)
    strength: float = option(STRENGTH)
    colors: str | None = option(COLORS)
    keep_colors: bool = option(KEEP_COLORS)
    net: str = option(NET)
    backend: str = option(BACKEND)


@dataclass(frozen=True, eq=False)
class Cell:
    """A picture on a sheet.

    Args:
        pixels: H x W x 3 uint8 RGB.
        name: the first line below it.
        title: the second line below it, "" for none.
    """

    pixels: Pixels
    name: str
    title: str


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code; errors pass to `realtime.app.main`."""
    options = read_options(GalleryOptions, gallery_parser().typed(argv))
    export_folders(FolderOptions(options.styles))
    photo, output = options.photo, options.output
    check_photo_output(output)
    check_jobs([Job(photo, output)], options.overwrite, resume=False)
    cells = _cells(options, read_photo(photo))
    sheet = contact_sheet(cells, options.columns)
    write_photo(output, Photo(sheet))
    print_line(f"painted {photo} in {len(cells) - 1} styles on {output} ({sheet.shape[1]}x{sheet.shape[0]})")
    return 0


def gallery_parser() -> CommandParser:
    """Returns what parses the command line of `nst-live gallery`."""
    return build_parser(
        {"": GalleryOptions},
        prog="nst-live gallery",
        description="Paint one photograph in every style and put all on one labelled sheet.",
    )


def contact_sheet(cells: Sequence[Cell], columns: int | None = None) -> Pixels:
    """Returns a sheet, H x W x 3 uint8 RGB, with cells in rows.

    Args:
        cells: all of one size.
        columns: how many stand in a row; None for as many as suit the sheet.
    """
    height, width = cells[0].pixels.shape[:2]
    large, small = ImageFont.load_default(max(10, width // 20)), ImageFont.load_default(max(8, width // 30))
    margin = max(4, width // 30)
    below = 3 * margin + round(1.5 * (width // 20)) + width // 30
    columns = min(columns or _columns(len(cells), width, height + below), len(cells))
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (margin + columns * (width + margin), margin + rows * (height + below)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        x, y = margin + column * (width + margin), margin + row * (height + below)
        sheet.paste(Image.fromarray(cell.pixels), (x, y))
        draw.text((x, y + height + margin), cell.name, _INK, large)
        title = _shortened(cell.title, small, width)
        draw.text((x, y + height + margin + round(1.5 * (width // 20))), title, _PALE, small)
    return np.array(sheet)


def _cells(options: GalleryOptions, photo: Photo) -> Sequence[Cell]:
    """Returns the photograph itself and its paintings."""
    height, width = photo.pixels.shape[:2]
    photo = resized(photo, (options.width, max(1, round(height * options.width / width))))
    choice = choose_backend(options.backend, FOR_ONE_SIZE)
    network = network_for(options.net, choice.backend.name)
    styles = load_ready_styles(options.style, network, print_line)
    painter = PhotoPainter(choice.backend, wanted_look(options.strength, options.colors, options.keep_colors))
    cells = [Cell(photo.pixels, "original", options.photo.name)]
    with closing(painter), progress_bar(options.photo.name, len(styles), "styles") as report:
        for number, style in enumerate(styles, start=1):
            title = "" if style.caption == style.name else style.caption
            cells.append(Cell(painter.paint(photo, style).pixels, style.name, title))
            if report is not None:
                report(number)
    return cells


def _columns(count: int, width: int, height: int) -> int:
    """Returns how many cells in a row come near to the sheet's aspect and, of two, leave fewer gaps."""
    wanted = math.sqrt(_SHEET_ASPECT * count * height / width)
    near = [columns for columns in (math.floor(wanted), math.ceil(wanted)) if 0 < columns <= count] or [count]
    return min(near, key=lambda columns: -count % columns)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip(" ,") + "…"
