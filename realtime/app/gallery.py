"""The command `nst-live gallery`: one photograph painted in every style, on one labelled sheet."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from realtime.app.batch import check_photo_output
from realtime.app.jobs import Job, check_jobs
from realtime.app.progress import progress_bar, tell
from realtime.app.readers import parse_count, parse_share
from realtime.backends import BACKENDS, FOR_ONE_SIZE, choose_backend
from realtime.frames import Pixels
from realtime.media.photo import Photo, read_photo, resized, write_photo
from realtime.stylize.photo_painter import PhotoLook, PhotoPainter
from realtime.stylize.styles import load_catalog, network_for
from styles.registry import UnknownStyleError

_PAPER, _INK, _PALE = (250, 249, 246), (30, 30, 30), (110, 110, 110)
_CELL_WIDTH = 480
# A sheet is about so many times as wide as it is high.
_SHEET_ASPECT = 1.5


@dataclass(frozen=True, eq=False)
class Cell:
    """A picture and the two lines below it."""

    pixels: Pixels
    name: str
    title: str


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code; errors pass to `realtime.app.main`."""
    args = _parser().parse_args(argv)
    check_photo_output(args.output)
    check_jobs([Job(args.photo, args.output)], args.overwrite, resume=False)
    cells = _cells(args, read_photo(args.photo))
    sheet = contact_sheet(cells, args.columns)
    write_photo(args.output, Photo(sheet))
    tell(f"painted {args.photo} in {len(cells) - 1} styles on {args.output} ({sheet.shape[1]}x{sheet.shape[0]})")
    return 0


def contact_sheet(cells: Sequence[Cell], columns: int | None = None) -> Pixels:
    """Returns a sheet, H x W x 3 uint8, with the cells in rows; all cells are of one size."""
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


def _cells(args: argparse.Namespace, photo: Photo) -> Sequence[Cell]:
    """Returns the photograph itself and its paintings."""
    height, width = photo.pixels.shape[:2]
    photo = resized(photo, (args.width, max(1, round(height * args.width / width))))
    choice = choose_backend(args.backend, FOR_ONE_SIZE)
    network = network_for(args.net, choice.backend.name)
    paintings = load_catalog(network, tell)
    if not paintings:
        raise UnknownStyleError(f"the net {network!r} has no styles")
    painter = PhotoPainter(choice.backend, PhotoLook(args.strength, args.keep_colors))
    cells = [Cell(photo.pixels, "original", args.photo.name)]
    with closing(painter), progress_bar(args.photo.name, len(paintings), "styles") as report:
        for painting in paintings:
            title = "" if painting.caption == painting.name else painting.caption
            cells.append(Cell(painter.paint(photo, painting).pixels, painting.name, title))
            if report is not None:
                report(len(cells) - 1)
    return cells


def _columns(count: int, width: int, height: int) -> int:
    """Returns as many as make the sheet nearly of its aspect, and of those near it the one that leaves fewest gaps."""
    wanted = math.sqrt(_SHEET_ASPECT * count * height / width)
    near = [columns for columns in (math.floor(wanted), math.ceil(wanted)) if 0 < columns <= count] or [count]
    return min(near, key=lambda columns: -count % columns)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip(" ,") + "…"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nst-live gallery", description="Paint one photograph in every style and put all on one labelled sheet."
    )
    parser.add_argument("photo", type=Path, metavar="PHOTO", help="the photograph")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the sheet: jpg, png, webp …")
    parser.add_argument("-y", "--overwrite", action="store_true", help="overwrite the output if it exists")
    parser.add_argument("--columns", type=parse_count, metavar="N", help="so many in a row (default: by their number)")
    parser.add_argument(
        "--width",
        type=parse_count,
        default=_CELL_WIDTH,
        metavar="N",
        help="of each picture (default: %(default)s)",
    )
    parser.add_argument(
        "--strength", type=parse_share, default=1.0, metavar="0..1", help="how strongly to paint (default: %(default)s)"
    )
    parser.add_argument("--keep-colors", action="store_true", help="the style's brightness in the photograph's colours")
    parser.add_argument(
        "--net", default="auto", metavar="auto|full|fast", help="which net paints (default: %(default)s)"
    )
    parser.add_argument(
        "--backend", default="auto", choices=("auto", *BACKENDS), help="what runs the net (default: %(default)s)"
    )
    return parser
