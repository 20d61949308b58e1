"""The options of `nst-train`, as tables: frozen dataclasses, of which each command has several. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from styles.architecture import CONFIGS
from styles.support.options import Kind, Option, option, read_options
from styles.support.readers import (
    parse_count,
    parse_named_number,
    parse_number,
    parse_positive_number,
    parse_share,
    parse_whole_number,
)
from styles.training.loss_weights import DEFAULT_LOSS_WEIGHTS as _USUAL

_T = TypeVar("_T")
# A weight as it is typed: the name of a style, "" for all, and the number.
NamedWeight = tuple[str, float]
NO_WEIGHTS: tuple[NamedWeight, ...] = ()
# The nets that the encoder predicts styles for.
BASE_NETS = ("fast", "full")

_LOSS_NETWORK = Option(
    "another VGG-19 than the article's: torchvision's file, or a distilled one", read=Path, metavar="FILE"
)
_STYLE_SCALE = Option(
    "short side of the style picture",
    read=parse_count,
    default_text="its own size, at most 2 megapixels",
    metavar="PX",
)


def _named_weight(text: str, usual: float) -> Option:
    """Returns an option that is typed as W, or as NAME=W for one style."""
    return Option(
        text,
        Kind.REPEATED,
        read=parse_named_number,
        default=NO_WEIGHTS,
        default_text=f"{usual:g}",
        metavar="[NAME=]W",
    )


def _weight(text: str, usual: float) -> Option:
    """Returns an option that is typed as W, for all styles."""
    return Option(text, read=parse_number, default=usual, metavar="W")


@dataclass(frozen=True)
class CommandLine:
    """A command line that was read.

    Args:
        name: the subcommand, "" for a training.
        typed: the values of the options that were typed, by name.
        recorded: the whole line as the metadata keep it.
    """

    name: str
    typed: Mapping[str, Any]
    recorded: str

    def of(self, kind: type[_T]) -> _T:
        """Returns one of the command's dataclasses of options."""
        return read_options(kind, self.typed)


@dataclass(frozen=True)
class LossOptions:
    """The losses that trainings and `nst-train paint` have in common."""

    loss_network: Path | None = option(_LOSS_NETWORK)
    style_scale: int | None = option(_STYLE_SCALE)
    content_weight: tuple[NamedWeight, ...] = option(
        _named_weight(
            "likeness to the photograph, in the article's units; with NAME=, a factor for one style of several",
            _USUAL.content,
        )
    )
    style_weight: tuple[NamedWeight, ...] = option(
        _named_weight("likeness to the style picture; of one style as above", _USUAL.style)
    )
    tv_weight: tuple[NamedWeight, ...] = option(
        _named_weight("smoothness (total variation of pixels in 0..255); of one style as above", _USUAL.tv)
    )
    structure_weight: float = option(
        _weight(
            "keeps the subject: 1 - correlation of the maps at relu3_2 and relu4_2; 5e6 counts about as much as the "
            "content",
            _USUAL.structure,
        )
    )


@dataclass(frozen=True)
class TrainingLossOptions(LossOptions):
    """The losses of trainings."""

    temporal_weight: tuple[NamedWeight, ...] = option(
        _named_weight(
            "steadiness under motion and noise (pixels in 0..255); of one style as above",
            _USUAL.temporal,
        )
    )
    lattice_weight: float = option(
        _weight("keeps the net's own mesh out of paintings (pixels in 0..255)", _USUAL.lattice)
    )


@dataclass(frozen=True)
class BaseLossOptions(TrainingLossOptions):
    """The losses of base trainings."""

    fringe_weight: float = option(
        _weight(
            "keeps coloured fringes away from edges: stronger colours than at the style's, in squared shares",
            _USUAL.fringes,
        )
    )
    border_weight: float = option(
        _weight(
            "keeps frames away from the border: brighter or darker than the photograph's, in squared deviations",
            _USUAL.border,
        )
    )
    flat_weight: float = option(
        _weight(
            "keeps blobs of one colour out of skies and walls: the variance that is missing there, as a logarithm",
            _USUAL.flat,
        )
    )


@dataclass(frozen=True)
class MachineOptions:
    """Options that every command of `nst-train` has."""

    device: str = option(Option("what computes", default="auto", choices=("auto", "cpu", "cuda")))
    debug: bool = option(Option("show the traceback of an error", Kind.FLAG, default=False))


@dataclass(frozen=True)
class TrainOptions:
    """What `nst-train` trains, and for how long."""

    pictures: tuple[Path, ...] = option(
        Option(
            "the style picture, or several",
            Kind.VALUES,
            read=Path,
            metavar="STYLE.jpg",
            positional=True,
            required=True,
        )
    )
    photos: tuple[Path, ...] = option(
        Option(
            "folder of photographs to learn on, at any depth; for several folders, give it several times",
            Kind.REPEATED,
            read=Path,
            metavar="DIR",
            required=True,
        )
    )
    name: str | None = option(Option("name of the result", default_text="that of the picture"))
    net: str | None = option(
        Option(
            "net to train on: fast, full or one of your own; for a net of its own: its kind, also article",
            default_text="fast",
        )
    )
    dedicated: bool = option(Option("train a net for this style alone, as in the article", Kind.FLAG, default=False))
    init: Path | None = option(
        Option(
            "begin with this net, which grows if --net names a larger kind (for a vector: with this style's FILE, "
            "else as predicted)",
            read=Path,
            metavar="NET|FILE",
        )
    )
    minutes: float | None = option(
        Option(
            "how long to train",
            read=parse_positive_number,
            default_text="10 for a vector, 40 with --dedicated",
            metavar="M",
            one_of="length",
        )
    )
    steps: int | None = option(Option("how long to train, in steps", read=parse_count, metavar="N", one_of="length"))
    crop: int = option(Option("side of the training pictures", read=parse_count, default=256, metavar="PX"))
    batch: int | None = option(
        Option("photographs in each step", read=parse_count, default_text="1 for a vector, 3 for a net", metavar="N")
    )
    zoom_style: bool = option(
        Option("if a photograph is seen from nearer, see the style picture from nearer", Kind.FLAG, default=False)
    )
    far: bool = option(
        Option("in one step of four, compare with the style picture from further away", Kind.FLAG, default=False)
    )
    learning_rate: float | None = option(
        Option(
            "how far each step goes",
            read=parse_positive_number,
            default_text="0.05 for a vector, 0.002 for a net",
            metavar="R",
        )
    )
    seed: int = option(
        Option(
            "the same seed and --steps give the same weights on the same CPU",
            read=parse_whole_number,
            default=0,
            metavar="N",
        )
    )
    max_photos: int = option(
        Option("keep at most N photographs in memory", read=parse_count, default=4000, metavar="N")
    )
    checkpoint_minutes: float = option(
        Option("time between checkpoints", read=parse_positive_number, default=2.0, metavar="M")
    )
    resume: bool = option(Option("go on from the last checkpoint", Kind.FLAG, default=False))
    overwrite: bool = option(Option("train again what exists already", Kind.FLAG, default=False, short="-y"))
    output: Path | None = option(Option("style folder to write to", read=Path, default_text="your own", metavar="DIR"))
    no_picture: bool = option(
        Option(
            "keep no small copy of the picture in the style file (with it, a later net can paint the style again)",
            Kind.FLAG,
            default=False,
        )
    )
    title: str | None = option(Option("title of the picture, for the metadata"))
    artist: str | None = option(Option("artist of the picture, for the metadata"))
    year: str | None = option(Option("year of the picture, for the metadata"))
    license: str | None = option(Option("license of the picture, for the metadata"))


@dataclass(frozen=True)
class BaseOptions:
    """What `nst-train base` trains, and for how long."""

    folder: Path = option(
        Option("folder of the training, new or to go on with", read=Path, metavar="DIR", positional=True, required=True)
    )
    styles: tuple[Path, ...] = option(
        Option(
            "pictures of the styles whose vectors are trained with the nets",
            Kind.MORE_VALUES,
            read=Path,
            metavar="STYLE.jpg",
            required=True,
        )
    )
    photos: tuple[Path, ...] = option(
        Option(
            "folders of photographs to learn on, at any depth",
            Kind.MORE_VALUES,
            read=Path,
            metavar="DIR",
            required=True,
        )
    )
    paintings: tuple[Path, ...] = option(
        Option(
            "folders of paintings that the encoder learns on", Kind.MORE_VALUES, read=Path, metavar="DIR", required=True
        )
    )
    without: Path | None = option(
        Option("text file with names of pictures that are left out, one a line", read=Path, metavar="FILE")
    )
    init: Path | None = option(
        Option(
            "begin with the nets and the encoder in this folder: of another training, or as they are shipped",
            read=Path,
            default_text="new nets",
            metavar="DIR",
        )
    )
    nets: tuple[str, ...] = option(
        Option("which nets to train", Kind.VALUES, default=BASE_NETS, choices=tuple(CONFIGS))
    )
    minutes: float | None = option(
        Option(
            "how long to train, over all runs",
            read=parse_positive_number,
            default_text="until it is stopped",
            metavar="M",
            one_of="length",
        )
    )
    steps: int | None = option(
        Option("how long to train, in steps over all runs", read=parse_count, metavar="N", one_of="length")
    )
    finish: int = option(
        Option(
            "then, or at once without --steps and --minutes, take N more steps with a falling learning rate",
            read=parse_whole_number,
            default=0,
            metavar="N",
        )
    )
    crop: int = option(Option("side of the training pictures", read=parse_count, default=256, metavar="PX"))
    batch: int = option(Option("photographs in each step", read=parse_count, default=4, metavar="N"))
    own_share: float | None = option(
        Option(
            "share of them that is painted in the given styles; the others are painted like random paintings",
            read=parse_share,
            default_text="0.5",
            metavar="0..1",
        )
    )
    encoder_alone: bool = option(
        Option(
            "train the encoder alone, on whole paintings: the nets and the vectors of their styles stay as they are",
            Kind.FLAG,
            default=False,
        )
    )
    learning_rate: float = option(
        Option("how far each step goes", read=parse_positive_number, default=6e-4, metavar="R")
    )
    seed: int = option(Option("seed of all random numbers", read=parse_whole_number, default=0, metavar="N"))
    checkpoint_minutes: float = option(
        Option("time between checkpoints", read=parse_positive_number, default=10.0, metavar="M")
    )
    threads: int | None = option(
        Option("threads of the CPU; 1 beside other work", read=parse_count, default_text="all cores", metavar="N")
    )


@dataclass(frozen=True)
class ExportOptions:
    """What `nst-train base export` writes."""

    folder: Path = option(Option("folder of a base training", read=Path, metavar="DIR", positional=True, required=True))
    output: Path = option(Option("style folder to write to", read=Path, metavar="DIR", short="-o", required=True))
    nets: tuple[str, ...] = option(
        Option("which nets to write", Kind.VALUES, default=BASE_NETS, choices=tuple(CONFIGS))
    )
    overwrite: bool = option(Option("replace files that exist", Kind.FLAG, default=False, short="-y"))


@dataclass(frozen=True)
class PaintOptions:
    """What `nst-train paint` paints."""

    photo: Path = option(Option("the photograph", read=Path, metavar="PHOTO", positional=True, required=True))
    style: Path = option(Option("the style picture", read=Path, metavar="STYLE", positional=True, required=True))
    out: Path = option(Option("picture to write", read=Path, metavar="OUT", short="-o", required=True))
    overwrite: bool = option(Option("paint again what exists already", Kind.FLAG, default=False, short="-y"))
    size: int = option(Option("short side of the painting", read=parse_count, default=512, metavar="PX"))
    steps: int = option(Option("how long to paint, in steps", read=parse_count, default=300, metavar="N"))
    optimizer: Literal["lbfgs", "adam"] = option(
        Option("what moves the pixels", default="lbfgs", choices=("lbfgs", "adam"))
    )
    init: str = option(Option("where to start from", default="photo", metavar="photo|noise|FILE"))
    seed: int = option(Option("seed of --init noise", read=parse_whole_number, default=0, metavar="N"))


@dataclass(frozen=True)
class EvaluateOptions:
    """What `nst-train evaluate` measures."""

    styles: tuple[str, ...] = option(
        Option(
            "a style's name, a .safetensors or .onnx file, or 'photo', the unpainted picture",
            Kind.VALUES,
            default=(),
            metavar="[NAME=]STYLE",
            positional=True,
        )
    )
    style_picture: tuple[Path, ...] = option(
        Option(
            "also measure the styles that the encoder predicts from these pictures, beside unpainted photographs",
            Kind.MORE_VALUES,
            read=Path,
            default=(),
            metavar="FILE",
        )
    )
    pictures: Path | None = option(
        Option("folder of the style pictures, NAME.jpg; without it, no Gram errors", read=Path, metavar="DIR")
    )
    net: str | None = option(
        Option("the net whose styles are meant", default_text="the first that has them, fast for predicted ones")
    )
    onnx: bool = option(Option("paint with the net's ONNX file instead of its weights", Kind.FLAG, default=False))
    photos: Path | None = option(Option("folder of photographs that were not trained on", read=Path, metavar="DIR"))
    most: int | None = option(Option("only the first N photographs", read=parse_count, metavar="N"))
    size: tuple[int, ...] = option(
        Option(
            "side of the photographs' centre squares; for several sizes, give it several times",
            Kind.REPEATED,
            read=parse_count,
            default=(),
            default_text="256 and 512",
            metavar="PX",
        )
    )
    beside: Path | None = option(
        Option("compare with other people's nets there, NAME.onnx for each style", read=Path, metavar="DIR")
    )
    still: bool = option(
        Option("also measure the flicker of a still scene with sensor noise, over the noise", Kind.FLAG, default=False)
    )
    video: tuple[Path, ...] = option(
        Option("measure steadiness on this video", Kind.REPEATED, read=Path, default=(), metavar="FILE")
    )
    frames: int = option(Option("measure its first N frames", read=parse_count, default=60, metavar="N"))
    width: int | None = option(Option("scale it to this width", read=parse_count, metavar="PX"))
    painted: Path | None = option(
        Option("measure this painted video; STYLE's paintings are for its SSIM", read=Path, metavar="FILE")
    )
    style_scale: int | None = option(_STYLE_SCALE)
    loss_network: Path | None = option(_LOSS_NETWORK)
    json: bool = option(Option("print a list of objects", Kind.FLAG, default=False))
