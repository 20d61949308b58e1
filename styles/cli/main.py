"""The command `nst-train`: trains styles, paints by Gatys' slow method, evaluates."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from styles.support.errors import INTERRUPTED, UNAVAILABLE, run_command
from styles.support.readers import parse_count as _count
from styles.support.readers import parse_named_number as _named_weight
from styles.support.readers import parse_number as _weight
from styles.support.readers import parse_positive_number as _positive
from styles.support.readers import parse_whole_number as _seed
from styles.support.terminal import closable_output, print_line
from styles.training.loss_weights import DEFAULT_LOSS_WEIGHTS as _USUAL


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `nst-train` and returns its exit code.

    0, 2 usage, 3 unreadable input, 4 a package of the extra `train` is missing, 130 stopped, else 1.
    """
    name, args = parse(sys.argv[1:] if argv is None else argv)
    if importlib.util.find_spec("torch") is None:
        return _fail('this needs PyTorch; install it with: pip install "nst-live[train]"', UNAVAILABLE)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    try:
        from styles.cli import commands
    except KeyboardInterrupt:
        return _fail("stopped", INTERRUPTED)
    except (ImportError, OSError) as exc:
        return _fail(f"PyTorch, or something else that this needs, is installed but does not load: {exc}", UNAVAILABLE)

    def run() -> int:
        result = commands.run(name, args)
        with closable_output():
            print_line(result, sys.stdout)
        return 0

    return run_command("nst-train", run, commands.EXIT_CODES, debug=args.debug)


def parse(words: Sequence[str]) -> tuple[str, argparse.Namespace]:
    """Returns the subcommand ("" for a training) and its options. Raises SystemExit where they are wrong."""
    name = words[0] if words and words[0] in _PARSERS else ""
    args = _PARSERS[name]().parse_intermixed_args(words[1:] if name else words)
    args.command = shlex.join(["nst-train", *map(_recorded, words)])
    return name, args


def _fail(text: str, code: int) -> int:
    print_line(f"nst-train: {text}")
    return code


def _recorded(word: str) -> str:
    """Returns a word of the command as the metadata keep it: absolute paths are nobody's business, names stay."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return option + equals + (Path(value).name if Path(value).is_absolute() else value)


# --- training


def _training_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nst-train",
        usage="nst-train STYLE.jpg [STYLE.jpg ...] --photos DIR [options]",
        description="Trains a style from a picture: by default a vector on an existing net, in minutes. "
        "Several pictures make a net of their own, named by --name.",
        epilog="Also: nst-train paint PHOTO STYLE -o OUT (Gatys' slow method), nst-train evaluate STYLE ...; "
        "each has its own --help.",
    )
    add = parser.add_argument
    add("pictures", nargs="+", type=Path, metavar="STYLE.jpg", help="the style picture, or several")
    photos = "photographs to learn on, at any depth below it; several folders: --photos DIR --photos DIR"
    add("--photos", type=Path, required=True, action="append", metavar="DIR", help=photos)
    add("--name", help="name of the result (default: that of the picture)")
    add(
        "--net",
        help="net to train on: fast, full or one of your own; for a net: its kind, also article (default: fast)",
    )
    add("--dedicated", action="store_true", help="train a net for this style alone, as in the article")
    add(
        "--init",
        type=Path,
        metavar="NET|FILE",
        help="begin with this net, grown where --net names a larger kind (for a vector: with this style's FILE)",
    )
    _add_loss_network(parser)
    _add_weights(parser)
    _add_named_weight(
        parser,
        "--temporal-weight",
        "steadiness under motion and noise, pixels in 0..255; of one style as above",
        _USUAL.temporal,
    )
    add(
        "--lattice-weight",
        type=_weight,
        metavar="W",
        help=f"against the net's own mesh, pixels in 0..255 (default: {_USUAL.lattice:g})",
    )
    _add_style_scale(parser)
    add("--zoom-style", action="store_true", help="see the style picture from nearer where the photograph is")
    add("--far", action="store_true", help="in one step of four, compare with the style picture from further off")
    add("--crop", type=_count, default=256, metavar="PX", help="side of the training pictures (default: 256)")
    add("--batch", type=_count, default=3, metavar="N", help="photographs a step (default: 3)")
    add("--learning-rate", type=_positive, metavar="R", help="default: 0.01 for a vector, 0.002 for a net")
    add(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="the same seed and --steps give the same weights on the same CPU",
    )
    add("--max-photos", type=_count, default=4000, metavar="N", help="keep at most so many in memory (default: 4000)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=_positive, metavar="M", help="default: 10 for a vector, 40 with --dedicated")
    length.add_argument("--steps", type=_count, metavar="N")
    add("--checkpoint-minutes", type=_positive, default=2.0, metavar="M", help="between checkpoints (default: 2)")
    add("--resume", action="store_true", help="go on from the last checkpoint")
    add("-y", "--overwrite", action="store_true", help="train anew what is there already")
    add("--output", type=Path, metavar="DIR", help="style folder to write to (default: your own)")
    no_picture = "keep no small copy of the picture in the style file (with it a later net can paint the style again)"
    add("--no-picture", action="store_true", help=no_picture)
    for fact in ("title", "artist", "year", "license"):
        add(f"--{fact}", help=f"{fact} of the picture, for the metadata")
    _add_common(parser)
    return parser


def _paint_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nst-train paint",
        description="Paints one photograph by the slow method of Gatys, Ecker and Bethge: the quick way to try out "
        "weights before a training. It prints the losses of the training before and after.",
    )
    add = parser.add_argument
    add("photo", type=Path, metavar="PHOTO")
    add("style", type=Path, metavar="STYLE", help="the style picture")
    add("-o", "--out", type=Path, required=True, metavar="OUT", help="picture to write")
    add("-y", "--overwrite", action="store_true", help="paint anew what is there already")
    add("--size", type=_count, default=512, metavar="PX", help="short side of the painting (default: 512)")
    _add_style_scale(parser)
    add("--steps", type=_count, default=300, metavar="N", help="default: 300")
    add("--optimizer", choices=("lbfgs", "adam"), default="lbfgs", help="default: lbfgs")
    add("--init", default="photo", metavar="photo|noise|FILE", help="where to start from (default: photo)")
    add("--seed", type=_seed, default=0, metavar="N", help="of --init noise")
    _add_loss_network(parser)
    _add_weights(parser)
    _add_common(parser)
    return parser


def _evaluate_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nst-train evaluate",
        description="Measures styles. On photographs: the article's loss (style + content + tv), likeness to the style "
        "picture (relative Gram errors), what is left of the subject (structure), dots, frames, blobs and fringes; on "
        "videos: warping errors.",
        epilog="STYLE is a style's name, a .safetensors or an .onnx file, or 'photo', the unpainted picture; "
        "NAME=STYLE compares it with the picture of that name. Structure is 1 where all of the subject is left. "
        "Artefact figures are 1 (shift and blobs: 0) where all is clean.",
    )
    add = parser.add_argument
    add("styles", nargs="+", metavar="[NAME=]STYLE")
    add("--pictures", type=Path, metavar="DIR", help="the style pictures, NAME.jpg (without: no Gram errors)")
    add("--net", help="the net whose styles are meant (default: the first that has them)")
    add("--onnx", action="store_true", help="paint with the net's ONNX file in place of its weights")
    add("--photos", type=Path, metavar="DIR", help="photographs that were not trained on")
    add("--most", type=_count, metavar="N", help="only the first N photographs")
    add("--size", type=_count, action="append", metavar="PX", help="of their centre squares (default: 256 and 512)")
    add("--beside", type=Path, metavar="DIR", help="compare with the nets of others there, NAME.onnx for each style")
    _add_style_scale(parser)
    add("--still", action="store_true", help="also: flicker of a still scene with sensor noise, over the noise")
    add("--video", type=Path, action="append", default=[], metavar="FILE", help="measure steadiness on it")
    add("--frames", type=_count, default=60, metavar="N", help="its first N frames (default: 60)")
    add("--width", type=_count, metavar="PX", help="scale it to this width")
    add("--painted", type=Path, metavar="FILE", help="measure this painted video; STYLE's paintings are for its SSIM")
    add("--json", action="store_true", help="print a list of objects")
    _add_loss_network(parser)
    _add_common(parser)
    return parser


# --- options that several commands have


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _add_loss_network(parser: argparse.ArgumentParser) -> None:
    help_ = "another VGG-19 than the article's: torchvision's file, or a distilled one"
    parser.add_argument("--loss-network", type=Path, metavar="FILE", help=help_)


def _add_style_scale(parser: argparse.ArgumentParser) -> None:
    help_ = "short side of the style picture (default: its own size, at most 2 megapixels)"
    parser.add_argument("--style-scale", type=_count, metavar="PX", help=help_)


def _add_weights(parser: argparse.ArgumentParser) -> None:
    content = "likeness to the photograph, in the article's units; of one style among several with NAME=, times that"
    _add_named_weight(parser, "--content-weight", content, _USUAL.content)
    _add_named_weight(parser, "--style-weight", "likeness to the style picture; of one style as above", _USUAL.style)
    tv = "smoothness (total variation of pixels in 0..255); of one style as above"
    _add_named_weight(parser, "--tv-weight", tv, _USUAL.tv)
    parser.add_argument(
        "--structure-weight",
        type=_weight,
        metavar="W",
        help="that the subject stays: 1 - correlation of what is seen at relu3_2 and relu4_2; 5e6 counts about as much "
        f"as the content (default: {_USUAL.structure:g})",
    )


def _add_named_weight(parser: argparse.ArgumentParser, option: str, text: str, usual: float) -> None:
    help_ = f"{text} (default: {usual:g})"
    parser.add_argument(option, type=_named_weight, action="append", default=[], metavar="[NAME=]W", help=help_)


# By first word; the empty one is for anything else, which is a style picture.
_PARSERS: Mapping[str, Callable[[], argparse.ArgumentParser]] = {
    "": _training_parser,
    "paint": _paint_parser,
    "evaluate": _evaluate_parser,
}

if __name__ == "__main__":
    sys.exit(main())
