"""Measures `nst-live --refine`: how much nearer a style comes to its picture, and what that costs the show.

    python -m tools.measure_refine PICTURE --photos TRAIN --val VAL [--on-photos]

The predicted vector is refined for some minutes beside a show of the bundled scene, or of --clip, painted as fast as
this machine can: on frames of it, or on TRAIN, as `nst-live --refine --photos TRAIN` does. Then one is trained for
--trained minutes without a show, as `nst-train` does. The article's loss of all three, on photographs of --val and on
frames that the show leaves out, says how much of the gap was closed; the rate of the show without and with it, what it
cost. It takes the sum of these minutes and one more.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import torch

from realtime.backends import choose_backend
from realtime.frames import Frame, Pixels, Size
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOptions, PlayerOutputs
from realtime.player.player import Player
from realtime.player.refined_style import RefiningPlan
from realtime.player.refining import Refiner
from realtime.session import DEFAULT_STEADINESS, quit_show
from realtime.sources.open import open_source
from realtime.sources.scene import Scene
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.styles import loaded_picture
from realtime.stylize.stylizer import FrameStylizer
from styles.evaluation.evaluation import SIZES, evaluate, evaluation_photos
from styles.evaluation.painter import Painter, network_painter
from styles.support.readers import parse_count, parse_positive_number, parse_size
from styles.support.terminal import print_line
from styles.training.loss_network import LossNetwork, load_loss_network
from styles.training.loss_network_file import find_loss_network
from styles.training.pictures import centre_square, read_picture
from styles.training.style_grams import StyleReference, style_reference
from styles.weights import load_network, load_style

_FRAMES = 150
# One frame in so many is not shown, but measured on.
_LEFT_OUT_EVERY = 25


class Endless:
    """Frames again and again, as a source that is never waited for."""

    live, rate = False, Fraction(30)

    def __init__(self, pictures: Sequence[Pixels]) -> None:
        self._pictures = pictures
        self.size = pictures[0].shape[1], pictures[0].shape[0]

    def frames(self) -> Iterator[Frame]:
        for index, picture in enumerate(itertools.cycle(self._pictures)):
            yield Frame(picture, index, 0.0, index / self.rate)

    def stop(self) -> None:
        """Has nothing to do."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--photos", type=Path, required=True, help="what the trained vector learns on")
    parser.add_argument("--on-photos", action="store_true", help="refine on --photos, not on frames of the show")
    parser.add_argument("--val", type=Path, required=True, help="what all three are measured on")
    parser.add_argument("--most", type=parse_count, default=20, help="photographs of --val (default: 20)")
    parser.add_argument("--minutes", type=parse_positive_number, default=5.0, help="of refining (default: 5)")
    parser.add_argument("--trained", type=parse_positive_number, default=10.0, help="minutes of training (default: 10)")
    parser.add_argument("--alone", type=parse_positive_number, default=45.0, help="seconds of the show alone")
    parser.add_argument("--net", default="fast")
    parser.add_argument("--size", type=parse_size, default=(640, 480), metavar="WxH")
    parser.add_argument("--clip", type=Path, help="what the show plays (default: the bundled scene)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, Path(folder))


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    style = loaded_picture(arguments.picture, arguments.net)
    style.make_ready()
    played = list(itertools.islice(pictures(arguments.clip, arguments.size), _FRAMES))
    if len(played) < _LEFT_OUT_EVERY:
        raise SystemExit(f"{arguments.clip} has {len(played)} frames; expected {_LEFT_OUT_EVERY} and more")
    left_out = [played.pop(place) for place in reversed(range(_LEFT_OUT_EVERY - 1, len(played), _LEFT_OUT_EVERY))]
    source = Endless(played)
    until_s = time.monotonic() + arguments.alone
    alone = rate_of_show(source, style, None, lambda: time.monotonic() > until_s)
    photos = arguments.photos if arguments.on_photos else None
    plan = RefiningPlan(arguments.minutes, find_loss_network(None), folder, photos)
    with closing(Refiner(plan)) as refiner:
        beside = rate_of_show(source, style, refiner, lambda: has_ended(refiner.status))
        print_line(refiner.status)
    found = list((folder / arguments.net).glob("*.safetensors"))
    if not found:
        raise SystemExit("nothing better was found")
    (refined,) = found
    train(arguments, folder)
    assert style.net.weights is not None
    assert style.vector is not None
    vectors = {
        "predicted": style.vector,
        "refined": load_style(refined).vector,
        "trained": load_style(folder / arguments.net / "trained.safetensors").vector,
    }
    net, network = load_network(style.net.weights), load_loss_network(find_loss_network(None))
    reference = style_reference(read_picture(arguments.picture), network)
    painters = {name: network_painter(net, vector, torch.device("cpu")) for name, vector in vectors.items()}
    frames = [centre_square(picture, SIZES[0]) for picture in left_out]
    for place, judged in (("photographs", evaluation_photos(arguments.val, arguments.most)), ("the show", frames)):
        print_line(f"on {place}, the article's loss in millions:", sys.stdout)
        totals = {name: article_loss(paint, judged, reference, network) for name, paint in painters.items()}
        for name, total in totals.items():
            print_line(f"  {name:10} {total / 1e6:8.3f}", sys.stdout)
        closed = (totals["predicted"] - totals["refined"]) / (totals["predicted"] - totals["trained"])
        print_line(f"  closed     {100 * closed:8.1f} % of the gap", sys.stdout)
    print_line(
        f"the show   {alone:.1f} fps alone, {beside:.1f} fps beside ({100 * (1 - beside / alone):.0f} % less)",
        sys.stdout,
    )


def has_ended(status: str) -> bool:
    """Whether refining is over: the status says how it ended."""
    return bool(status) and not status.startswith("refining ")


def pictures(clip: Path | None, size: Size) -> Iterator[Pixels]:
    """Yields what the show plays."""
    if clip is None:
        scene = Scene(*size)
        yield from (scene.draw(index) for index in itertools.count())
    else:
        with open_source(url=str(clip), size=size) as source:
            yield from (frame.pixels for frame in source.frames())


def rate_of_show(source: Endless, style: LoadedStyle, refiner: Refiner | None, over: Callable[[], bool]) -> float:
    """Plays until `over`; returns the frames per second."""
    controls = Controls.of_one_style(style, DEFAULT_STEADINESS)

    def look(_count: int) -> None:
        if over():
            controls.send(quit_show)

    with FrameStylizer(choose_backend("auto").backend) as stylizer:
        stylizer.painter(style.net, source.size)
        player = Player(
            source,
            stylizer,
            controls,
            outputs=PlayerOutputs(refiner=refiner),
            options=PlayerOptions(report=look),
        )
        return player.run().fps


def train(arguments: argparse.Namespace, folder: Path) -> None:
    """Trains a vector as `nst-train` does."""
    words = [arguments.picture, "--photos", arguments.photos, "--minutes", arguments.trained, "--net", arguments.net]
    words += ["--name", "trained", "--output", folder]
    subprocess.run([sys.executable, "-m", "styles.cli.main", *map(str, words)], check=True)


def article_loss(paint: Painter, photos: Sequence[Pixels], reference: StyleReference, network: LossNetwork) -> float:
    """Returns the article's loss of paintings of some photographs."""
    total = evaluate(paint, photos, reference, network).total
    assert total is not None
    return total


if __name__ == "__main__":
    main()
