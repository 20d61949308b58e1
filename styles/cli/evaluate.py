"""`nst-train evaluate STYLE …`: from the options to a table of figures."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from styles.cli.common import check_style_scale, device_named
from styles.evaluation.artefacts import SMALLEST_PICTURE
from styles.evaluation.evaluation import evaluate, evaluation_photos, style_grams, video_gram_sum
from styles.evaluation.painter import Painter, network_painter, onnx_painter
from styles.evaluation.steadiness import Frame, VideoError, measure_steadiness, still_scene_ratio, video_frames
from styles.registry import find_style, network_sha256, onnx_path
from styles.support.errors import UsageError
from styles.training.loss_network import STYLE_LAYERS, LossNetwork, load_loss_network
from styles.training.loss_network_file import find_loss_network
from styles.training.pictures import read_picture, style_picture
from styles.weights import load_network, load_style

# What stands for the unpainted picture itself in place of a file: the floor of every figure.
UNPAINTED = "photo"

_Row = dict[str, float | str]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Candidate:
    """What is evaluated: a painter, and the name of the style picture that it was made from."""

    label: str
    style: str
    paint: Painter


def run_evaluate(args: argparse.Namespace) -> str:
    """Returns the table of what the options ask for, or with --json a list of objects."""
    _check(args)
    device = device_named(args.device)
    candidates = [_candidate(word, args, device) for word in args.styles]
    pictures = [
        read_picture(style_picture(args.pictures, each.style)) if args.pictures else None for each in candidates
    ]
    photos = evaluation_photos(args.photos, args.most, args.size) if args.photos else []
    network = load_loss_network(find_loss_network(args.loss_network, args.download)).to(device)
    if not args.pictures:
        _log.info("without --pictures DIR nothing is said about the likeness to the style pictures")
    rows: list[_Row] = []
    for candidate, picture in zip(candidates, pictures, strict=True):
        grams = None if picture is None else style_grams(picture, network, args.style_scale)
        if photos:
            rows.append(_photo_row(candidate, photos, grams, network, args.still))
        rows += [_video_row(candidate, video, args, grams, network) for video in args.video]
    return json.dumps(rows, indent=2) if args.json else _tables(rows)


def _check(args: argparse.Namespace) -> None:
    """Raises UsageError where options do not go together, VideoError where a video is not there."""
    if not args.photos and not args.video:
        raise UsageError("say what to evaluate on: --photos DIR, --video FILE or both")
    of_photos, of_videos = ("still", "most"), ("painted", "width")
    for options, wanted, there in ((of_photos, "--photos DIR", args.photos), (of_videos, "--video FILE", args.video)):
        alone = next((option for option in options if getattr(args, option)), None)
        if alone and not there:
            raise UsageError(f"--{alone} goes with {wanted}")
    if args.photos and args.size < SMALLEST_PICTURE:
        raise UsageError(
            f"--size {args.size}: artefacts are looked for in pictures of {SMALLEST_PICTURE} pixels and up"
        )
    check_style_scale(args)
    for path in (*args.video, args.painted):
        if path is not None and not path.is_file():
            raise VideoError(f"no video at {path}")


def _candidate(word: str, args: argparse.Namespace, device: torch.device) -> _Candidate:
    """Returns what `[STYLE=]NAME|FILE.safetensors|FILE.onnx|photo` on the command line means."""
    # what has a slash before its first "=" is a path
    style, what = word.split("=", 1) if "=" in word and "/" not in word.split("=", 1)[0] else ("", word)
    path = Path(what)
    if what == UNPAINTED and not style and args.pictures:
        raise UsageError(f"{UNPAINTED} is compared with a style picture: NAME={UNPAINTED}")
    if what == UNPAINTED:
        return _Candidate(word, style, lambda picture: picture)
    if path.suffix == ".onnx":
        return _Candidate(word, style or path.stem, onnx_painter(path))
    found = find_style(what, args.net)
    vector = load_style(found.path).vector
    if args.onnx:
        sha256 = network_sha256(found.network_path)
        paint = onnx_painter(onnx_path(found.network), None if found.dedicated else vector, sha256)
    else:
        paint = network_painter(load_network(found.network_path), vector, device)
    return _Candidate(word, style or found.name, paint)


def _photo_row(
    candidate: _Candidate, photos: list[Frame], grams: Sequence[Tensor] | None, network: LossNetwork, still: bool
) -> _Row:
    quality = evaluate(candidate.paint, photos, grams, network)
    likeness = {**dict(zip(STYLE_LAYERS, quality.grams, strict=True)), "gram_sum": quality.gram_sum} if grams else {}
    row: _Row = {
        "style": candidate.label,
        "photos": len(photos),
        **likeness,
        "content": quality.content,
        "tv": quality.tv,
        **asdict(quality.artefacts),
        "artefacts": ", ".join(quality.artefacts.found) or "none",
    }
    return {**row, "still": still_scene_ratio(candidate.paint, photos[0])} if still else row


def _video_row(
    candidate: _Candidate, video: Path, args: argparse.Namespace, grams: Sequence[Tensor] | None, network: LossNetwork
) -> _Row:
    frames = list(video_frames(video, args.frames, args.width))
    paintings = [candidate.paint(frame) for frame in frames]
    others = None
    if args.painted:
        others, paintings = paintings, list(video_frames(args.painted, args.frames, args.width))
    if args.painted and {each.shape for each in paintings} != {each.shape for each in frames}:
        raise VideoError(f"{args.painted} is of another size than {video}; --width PX scales both")
    steadiness = measure_steadiness(frames, paintings, others)
    row: _Row = {
        "style": candidate.label,
        "video": video.name,
        "pairs": steadiness.pairs,
        "warping_error": steadiness.warping_error,
        "input_warping_error": steadiness.input_warping_error,
        "excess": steadiness.excess,
    }
    if grams:
        row["gram_sum"] = video_gram_sum(paintings, grams, network)
    return row if steadiness.ssim is None else {**row, "ssim": steadiness.ssim}


def _tables(rows: Sequence[_Row]) -> str:
    """Returns the rows as columns of text, one table for each kind of row."""
    kinds = {tuple(row): [other for other in rows if tuple(other) == tuple(row)] for row in rows}
    return "\n\n".join(_table(kind) for kind in kinds.values())


def _table(rows: Sequence[_Row]) -> str:
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: float | str) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value >= 0.1 else f"{value:.2g}"
    return str(value)
