"""Measures what --steady does to videos, as the loop applies it: python tools/measure_steadiness.py VIDEO … [options]

For every style and video the excess warping error of the paintings without and with the dial, their ratio, and the SSIM
of the two; with --pictures DIR also how far both are from the style picture (the sums of relative Gram errors); with
--still PHOTO the flicker of that photograph with fresh sensor noise, over the noise.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from realtime.backends import choose_backend
from realtime.frames import Frame, Pixels
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOutputs
from realtime.player.player import Player
from realtime.session import DEFAULT_STEADINESS
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.styles import load_styles, network_for
from realtime.stylize.stylizer import FrameStylizer
from styles.evaluation.evaluation import video_gram_sum
from styles.evaluation.steadiness import measure_steadiness, video_frames
from styles.support.readers import parse_count, parse_share
from styles.support.terminal import print_line
from styles.training.loss_network import load_loss_network
from styles.training.loss_network_file import find_loss_network
from styles.training.pictures import read_picture, resize_short_side, style_picture
from styles.training.style_grams import style_grams

STILL_FRAMES, STILL_SIGMA = 60, 3.0


class Clip:
    """Pictures as a source for the loop, which paints every one."""

    live, rate = False, Fraction(30)

    def __init__(self, pictures: Sequence[Pixels]) -> None:
        self._pictures = pictures
        self.size = pictures[0].shape[1], pictures[0].shape[0]

    def frames(self) -> Iterator[Frame]:
        for index, picture in enumerate(self._pictures):
            yield Frame(picture, index, 0.0, index / self.rate)

    def stop(self) -> None:
        """Has nothing to do: a picture is never waited for."""


class Gallery:
    """A sink that keeps every painting."""

    def __init__(self) -> None:
        self.pictures: list[Pixels] = []

    def write(self, pixels: Pixels, frame: Frame) -> None:  # noqa: ARG002 - a sink takes both
        self.pictures.append(pixels)


def painted(
    stylizer: FrameStylizer, pictures: Sequence[Pixels], painting: LoadedStyle, steadiness: float
) -> list[Pixels]:
    """Returns the pictures as a show paints them, `steadiness` 0 for without the dial."""
    gallery = Gallery()
    controls = Controls.of_one_style(painting, steadiness)
    Player(Clip(pictures), stylizer, controls, outputs=PlayerOutputs(sinks=[gallery])).run()
    return gallery.pictures


def noisy_stills(path: Path, width: int) -> list[Pixels]:
    """Returns a photograph, `width` wide, with fresh Gaussian noise in each copy."""
    photo = resize_short_side(read_picture(path), width * 3 // 4)[: width * 3 // 4, :width].astype(float)
    rng = np.random.default_rng(0)
    noise = (STILL_SIGMA * rng.standard_normal(photo.shape) for _ in range(STILL_FRAMES))
    return [np.clip(np.rint(photo + one), 0, 255).astype(np.uint8) for one in noise]


def spread(pictures: Sequence[Pixels]) -> float:
    """Returns the standard deviation over time, in the mean over all values."""
    return float(np.std(np.asarray(pictures, np.float32), axis=0).mean())


Row = dict[str, str | float]


# Returns how far paintings of a style are from its picture.
Likeness = Callable[[str, Sequence[Pixels]], float]


def likeness(pictures: Path, loss_network: Path | None) -> Likeness:
    network = load_loss_network(find_loss_network(loss_network))

    def gram_sum(style: str, paintings: Sequence[Pixels]) -> float:
        picture = read_picture(style_picture(pictures, style))
        return video_gram_sum(paintings, style_grams(picture, network), network)

    return gram_sum


def video_row(
    stylizer: FrameStylizer,
    video: Path,
    frames: Sequence[Pixels],
    painting: LoadedStyle,
    *,
    dial: float,
    gram_sum: Likeness | None,
) -> Row:
    off, on = (painted(stylizer, frames, painting, steadiness) for steadiness in (0.0, dial))
    before, after = measure_steadiness(frames, off), measure_steadiness(frames, on, off)
    row: Row = {
        "style": painting.name,
        "video": video.stem,
        "excess": before.excess,
        "steadied": after.excess,
        "ratio": after.excess / before.excess,
        "ssim": after.ssim or 0.0,
    }
    if gram_sum is not None:
        row |= {"gram": gram_sum(painting.name, off), "gram_steadied": gram_sum(painting.name, on)}
    return row


def still_row(stylizer: FrameStylizer, stills: Sequence[Pixels], painting: LoadedStyle, dial: float) -> Row:
    off, on = (spread(painted(stylizer, stills, painting, steadiness)) for steadiness in (0.0, dial))
    return {"style": painting.name, "still": off / spread(stills), "steadied": on / spread(stills)}


def main() -> None:
    args = _parser().parse_args()
    choice = choose_backend()
    paintings, _ = load_styles(args.style[0] if args.style else "wreck", network_for(args.net, choice.backend.name))
    clips = {video: list(video_frames(video, args.frames, args.width)) for video in args.videos}
    stills = noisy_stills(args.still, args.width) if args.still else []
    gram_sum = likeness(args.pictures, args.loss_network) if args.pictures else None
    rows: list[Row] = []
    with FrameStylizer(choice.backend) as stylizer:
        for painting in paintings:
            if args.style and painting.name not in args.style:
                continue
            found = [
                video_row(stylizer, video, frames, painting, dial=args.steady, gram_sum=gram_sum)
                for video, frames in clips.items()
            ]
            if stills:
                found.append(still_row(stylizer, stills, painting, args.steady))
            for row in found:
                print_line("  ".join(f"{key} {_written(value)}" for key, value in row.items()), sys.stdout)
            rows += found
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure what --steady does to videos.")
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO")
    parser.add_argument("--steady", type=parse_share, default=DEFAULT_STEADINESS, metavar="0..1")
    parser.add_argument("--style", nargs="+", metavar="NAME", help="default: all of the net")
    parser.add_argument("--net", default="auto")
    parser.add_argument("--frames", type=parse_count, default=40, metavar="N", help="default: %(default)s")
    parser.add_argument("--width", type=parse_count, default=480, metavar="PX", help="default: %(default)s")
    parser.add_argument("--still", type=Path, metavar="PHOTO")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="the style pictures")
    parser.add_argument("--loss-network", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into FILE")
    return parser


if __name__ == "__main__":
    main()
