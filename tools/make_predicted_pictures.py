"""Makes a sheet of predicted styles: python -m tools.make_predicted_pictures FILE=TITLE … [--show FILE] -o SHEET

A row for each two style pictures: the picture, a photograph of scikit-image in turn, and what each net makes of it. The
picture itself is on the sheet only with --show, for those whose licence allows it; of the others there is the title.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from realtime.frames import Pixels
from styles.training.pictures import read_picture
from tools.make_pictures import labelled, paint, square, squares

_SIDE, _PAINTED_SIDE, _PER_ROW = 224, 448, 2
_NETS = ("fast", "full")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", metavar="FILE=TITLE", help="style pictures, with what they are")
    parser.add_argument("--show", nargs="*", default=[], metavar="FILE", help="those that may be shown")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the JPEG or PNG to write")
    arguments = parser.parse_args()
    photos = squares(_PAINTED_SIDE)
    cells = []
    for index, (file, _, title) in enumerate(text.rpartition("=") for text in arguments.pictures):
        photo = photos[index % len(photos)]
        style = square(read_picture(Path(file)), _SIDE) if file in arguments.show else card(title)
        painted = [labelled(small(paint(photo, "--style", file, "--net", net)), net) for net in _NETS]
        cells.append(np.hstack([style, small(photo), *painted]))
    while len(cells) % _PER_ROW:
        cells.append(np.full_like(cells[0], 255))
    rows = [np.hstack(cells[start : start + _PER_ROW]) for start in range(0, len(cells), _PER_ROW)]
    Image.fromarray(np.vstack(rows)).save(arguments.output, quality=80)


def small(pixels: Pixels) -> Pixels:
    """Returns a square image in the size that it has on the sheet."""
    return square(pixels, _SIDE)


def card(title: str) -> Pixels:
    """Returns the title in the place of a picture."""
    image = Image.new("RGB", (_SIDE, _SIDE), "white")
    text = "\n".join(textwrap.wrap(title, 20))
    middle = _SIDE / 2, _SIDE / 2
    draw = ImageDraw.Draw(image)
    draw.multiline_text(middle, text, fill="black", font=ImageFont.load_default(18), anchor="mm", align="center")
    return np.asarray(image)


if __name__ == "__main__":
    main()
