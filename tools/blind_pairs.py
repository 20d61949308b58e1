"""Lays out pairs of paintings for people who shall not know which is whose: python -m tools.blind_pairs OUT [options]

Each sheet shows a style picture, a photograph, and its paintings A and B: one by a net of ours and one by the net
beside it (DIR/STYLE.onnx, which nst-build import makes). Which is which is shuffled, and so are the sheets; the key
lies in a file of its own beside OUT, so that OUT can be handed out as it is.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from styles.evaluation.painter import Painter, network_painter, onnx_painter
from styles.registry import PICTURES, find_style
from styles.training.pictures import picture_paths, read_picture, style_picture, write_picture
from styles.weights import load_network, load_style

Picture = NDArray[np.uint8]
OURS, BESIDE = "ours", "beside"
_MARGIN, _CAPTION = 12, 28


@dataclass(frozen=True)
class Pair:
    """One line of the key: the sheet's number, what is painted in which style, and whose A and B are."""

    sheet: int
    style: str
    photo: str
    a: str
    b: str


def shuffled_pairs(styles: Sequence[str], photos: Sequence[str], seed: int) -> list[Pair]:
    """Returns a pair for each style and photograph in random order; A is ours in half of them, rounded up."""
    chance = random.Random(seed)  # noqa: S311 - nobody attacks it
    places = list(product(styles, photos))
    ours_first = [index % 2 == 0 for index in range(len(places))]
    chance.shuffle(places)
    chance.shuffle(ours_first)
    return [
        Pair(number, style, photo, *((OURS, BESIDE) if first else (BESIDE, OURS)))
        for number, ((style, photo), first) in enumerate(zip(places, ours_first, strict=True), 1)
    ]


def long_side(picture: Picture, side: int) -> Picture:
    """Returns the picture scaled so that its longer side has `side` pixels."""
    scale = side / max(picture.shape[:2])
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def sheet(columns: Mapping[str, Picture]) -> Picture:
    """Returns the pictures in a row on white, each under its caption."""
    height = max(picture.shape[0] for picture in columns.values())
    width = sum(picture.shape[1] + _MARGIN for picture in columns.values()) + _MARGIN
    image = Image.new("RGB", (width, height + _CAPTION + 2 * _MARGIN), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(18)
    left = _MARGIN
    for caption, picture in columns.items():
        draw.text((left, _MARGIN // 2), caption, font=font, fill="black")
        image.paste(Image.fromarray(picture), (left, _CAPTION + _MARGIN))
        left += picture.shape[1] + _MARGIN
    return np.asarray(image)


def our_painter(style: str, net: str | None) -> Painter:
    found = find_style(style, net)
    return network_painter(load_network(found.network_path), load_style(found.path).vector, torch.device("cpu"))


def photo_files(given: Sequence[Path]) -> list[Path]:
    """Returns the files among these, and those in the folders among them."""
    return [path for each in given for path in (picture_paths([each]) if each.is_dir() else [each])]


def lay_out(args: argparse.Namespace) -> Path:
    """Writes the sheets and the key; returns the key's path."""
    photos = {str(path): long_side(read_picture(path), args.size) for path in photo_files(args.photos)}
    pictures = {style: read_picture(style_picture(args.pictures, style)) for style in args.styles}
    painters = {
        (whose, style): our_painter(style, args.net) if whose == OURS else onnx_painter(args.beside / f"{style}.onnx")
        for style, whose in product(args.styles, (OURS, BESIDE))
    }
    pairs = shuffled_pairs(args.styles, list(photos), args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        photo = photos[pair.photo]
        painted = {name: painters[whose, pair.style](photo) for name, whose in (("A", pair.a), ("B", pair.b))}
        columns = {"style": long_side(pictures[pair.style], args.size), "photograph": photo, **painted}
        write_picture(args.out / f"pair-{pair.sheet:02}.png", sheet(columns))
    key: Path = args.key or args.out.with_name(f"{args.out.name}-key.json")
    key.write_text(json.dumps([asdict(pair) for pair in pairs], indent=1) + "\n")
    return key


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.blind_pairs", description=__doc__.split("\n\n")[1])
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="folder for the sheets, pair-01.png and so on")
    add("--net", help="our net (default: the first that has the style)")
    add("--beside", type=Path, required=True, metavar="DIR", help="the other nets, STYLE.onnx")
    add("--pictures", type=Path, required=True, metavar="DIR", help="the style pictures, STYLE.jpg")
    add("--photos", type=Path, required=True, nargs="+", metavar="FILE|DIR", help="the photographs, or folders of them")
    add("--styles", nargs="+", default=list(PICTURES), metavar="STYLE", help="default: the six")
    add("--size", type=int, default=384, metavar="PX", help="long side of what is painted and shown (default: 384)")
    add("--seed", type=int, default=0, metavar="N", help="another one shuffles in another way")
    add("--key", type=Path, metavar="FILE", help="where the key goes (default: OUT-key.json, beside OUT)")
    key = lay_out(parser.parse_args(words))
    sys.stdout.write(f"{key}\n")


if __name__ == "__main__":
    main()
