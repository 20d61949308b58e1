"""`nst-train evaluate STYLE …`: from the options to a table of figures."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch

from styles.cli.common import check_style_scale, device_named
from styles.cli.options import CommandLine, EvaluateOptions, MachineOptions
from styles.evaluation.artefacts import SMALLEST_PICTURE, Artefacts
from styles.evaluation.evaluation import SIZES, Quality, evaluate, evaluation_photos, video_gram_sum
from styles.evaluation.painter import Painter, network_painter, onnx_painter
from styles.evaluation.steadiness import Frame, VideoError, measure_steadiness, still_scene_ratio, video_frames
from styles.registry import find_style, network_sha256, onnx_path
from styles.support.errors import UsageError
from styles.training.loss_network import STYLE_LAYERS, LossNetwork, load_loss_network
from styles.training.loss_network_file import find_loss_network
from styles.training.memory import keep_freed_memory
from styles.training.pictures import read_picture, style_picture
from styles.training.style_grams import StyleReference, style_reference
from styles.weights import load_network, load_style

# The word for the unpainted photograph itself instead of a file: the floor of every figure.
UNPAINTED = "photo"

_Row = dict[str, float | str]
# What is compared with the nets of --beside, as ratios.
_COMPARED = ("total", "style_loss", "content_loss", "structure3_2", "structure4_2", "excess")
_ARTEFACT_COLUMNS = ("artefacts", "still", *(field.name for field in fields(Artefacts)))

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Candidate:
    """What is evaluated: a painter, and the style picture that it was made from with its name."""

    label: str
    style: str
    paint: Painter
    picture: Frame | None = None


def run_evaluate(line: CommandLine) -> str:
    """Returns the tables of what the options ask for, or with --json a list of objects."""
    options = line.of(EvaluateOptions)
    _check(options)
    device = device_named(line.of(MachineOptions).device)
    candidates = [_with_picture(_candidate(word, options, device), options.pictures) for word in options.styles]
    others = _others(options.beside, candidates)
    sizes = options.size or SIZES
    photos = {size: evaluation_photos(options.photos, options.most, size) for size in sizes} if options.photos else {}
    keep_freed_memory()
    network = load_loss_network(find_loss_network(options.loss_network)).to(device)
    if not options.pictures:
        _log.info("without --pictures DIR nothing is said about the likeness to the style pictures")
    measure = _Measure(network, options, photos)
    theirs = {other.style: measure(other) for other in others.values()}
    rows = [_beside(row, theirs.get(each.style, [])) for each in candidates for row in measure(each)]
    return json.dumps(rows, indent=2) if options.json else _tables(rows)


class _Measure:
    """Returns the rows of a candidate: one for each size of the photographs, one for each video."""

    def __init__(self, network: LossNetwork, options: EvaluateOptions, photos: Mapping[int, list[Frame]]) -> None:
        self.network, self.options, self.photos = network, options, photos
        self._references: dict[str, StyleReference] = {}

    def __call__(self, candidate: _Candidate) -> list[_Row]:
        rows = [self._photo_row(candidate, size) for size in self.photos]
        return rows + [self._video_row(candidate, video) for video in self.options.video]

    def _reference(self, candidate: _Candidate) -> StyleReference | None:
        """Returns what the candidate is compared with, found once for each style."""
        if candidate.picture is not None and candidate.style not in self._references:
            reference = style_reference(candidate.picture, self.network, self.options.style_scale)
            self._references[candidate.style] = reference
        return self._references.get(candidate.style)

    def _photo_row(self, candidate: _Candidate, size: int) -> _Row:
        photos = self.photos[size]
        quality = evaluate(candidate.paint, photos, self._reference(candidate), self.network)
        row: _Row = {"style": candidate.label, "size": size, "photos": len(photos), **_likeness(quality)}
        row |= {name: value for name, value in asdict(quality.artefacts).items() if value is not None}
        row["artefacts"] = ", ".join(quality.artefacts.found) or "none"
        return {**row, "still": still_scene_ratio(candidate.paint, photos[0])} if self.options.still else row

    def _video_row(self, candidate: _Candidate, video: Path) -> _Row:
        options = self.options
        frames = list(video_frames(video, options.frames, options.width))
        paintings = [candidate.paint(frame) for frame in frames]
        others = None
        if options.painted:
            others, paintings = paintings, list(video_frames(options.painted, options.frames, options.width))
        if options.painted and {each.shape for each in paintings} != {each.shape for each in frames}:
            raise VideoError(f"{options.painted} is of another size than {video}; --width PX scales both")
        steadiness = measure_steadiness(frames, paintings, others)
        row: _Row = {
            "style": candidate.label,
            "video": video.name,
            "pairs": steadiness.pairs,
            "warping_error": steadiness.warping_error,
            "input_warping_error": steadiness.input_warping_error,
            "excess": steadiness.excess,
        }
        if reference := self._reference(candidate):
            row["gram_sum"] = video_gram_sum(paintings, reference.grams, self.network)
        return row if steadiness.ssim is None else {**row, "ssim": steadiness.ssim}


def _likeness(quality: Quality) -> _Row:
    """Returns the columns of the article's loss, of the relative Gram errors and of the structure."""
    row: _Row = {}
    if quality.total is not None and quality.style is not None:
        row |= {"total": quality.total, "style_loss": quality.style}
    row |= {"content_loss": quality.content, "tv_loss": quality.tv}
    if quality.grams:
        row |= {**dict(zip(STYLE_LAYERS, quality.grams, strict=True)), "gram_sum": quality.gram_sum}
    return row | dict(zip(("structure3_2", "structure4_2"), quality.structure, strict=True))


def _beside(row: _Row, theirs: Sequence[_Row]) -> _Row:
    """Returns the row with the ratios to the same figures of the net beside it, if there is one."""
    for other in theirs:
        if all(row.get(key) == other.get(key) for key in ("size", "video")):
            return row | {f"{name}/beside": _ratio(row[name], other[name]) for name in _COMPARED if name in row}
    return row


def _ratio(ours: float | str, theirs: float | str) -> float:
    return float(ours) / float(theirs) if float(theirs) else float("nan")


def _check(options: EvaluateOptions) -> None:
    """Raises UsageError if options do not go together, VideoError if a video is missing."""
    if not options.photos and not options.video:
        raise UsageError("say what to evaluate on: --photos DIR, --video FILE or both")
    for name, wanted, there in (
        ("still", "--photos DIR", options.photos),
        ("most", "--photos DIR", options.photos),
        ("painted", "--video FILE", options.video),
        ("width", "--video FILE", options.video),
    ):
        if getattr(options, name) and not there:
            raise UsageError(f"--{name} goes with {wanted}")
    smallest = min(options.size or SIZES)
    if options.photos and smallest < SMALLEST_PICTURE:
        raise UsageError(f"--size {smallest}: artefacts are looked for in pictures of {SMALLEST_PICTURE} pixels and up")
    if options.beside and not options.beside.is_dir():
        raise UsageError(f"--beside {options.beside}: no such folder; expected one with NAME.onnx for each style")
    check_style_scale(options.style_scale)
    for path in (*options.video, options.painted):
        if path is not None and not path.is_file():
            raise VideoError(f"no video at {path}")


def _candidate(word: str, options: EvaluateOptions, device: torch.device) -> _Candidate:
    """Returns what `[STYLE=]NAME|FILE.safetensors|FILE.onnx|photo` on the command line means."""
    # a word with a slash before its first "=" is a path
    style, what = word.split("=", 1) if "=" in word and "/" not in word.split("=", 1)[0] else ("", word)
    path = Path(what)
    if what == UNPAINTED and not style and options.pictures:
        raise UsageError(f"{UNPAINTED} is compared with a style picture: NAME={UNPAINTED}")
    if what == UNPAINTED:
        return _Candidate(word, style, lambda picture: picture)
    if path.suffix == ".onnx":
        return _Candidate(word, style or path.stem, onnx_painter(path))
    found = find_style(what, options.net)
    vector = load_style(found.path).vector
    if options.onnx:
        sha256 = network_sha256(found.network_path)
        paint = onnx_painter(onnx_path(found.network), None if found.dedicated else vector, sha256)
    else:
        paint = network_painter(load_network(found.network_path), vector, device)
    return _Candidate(word, style or found.name, paint)


def _with_picture(candidate: _Candidate, folder: Path | None) -> _Candidate:
    if folder is None:
        return candidate
    return replace(candidate, picture=read_picture(style_picture(folder, candidate.style)))


def _others(folder: Path | None, candidates: Sequence[_Candidate]) -> dict[str, _Candidate]:
    """Returns other people's nets in that folder, by style. Raises FileNotFoundError if one is missing."""
    if folder is None:
        return {}
    pictures = {each.style: each.picture for each in candidates if each.style}
    return {
        style: _Candidate(f"{folder}/{style}.onnx", style, onnx_painter(folder / f"{style}.onnx"), picture)
        for style, picture in pictures.items()
    }


def _tables(rows: Sequence[_Row]) -> str:
    """Returns the rows as columns of text: what is measured alike in one table, no table wider than it can be read."""
    parts = [part for row in rows for part in _parts(row)]
    kinds = {tuple(part): [other for other in parts if tuple(other) == tuple(part)] for part in parts}
    tables = [_table(kind) for _, kind in sorted(kinds.items(), key=lambda item: _place(item[0]))]
    return "\n\n".join([*tables, *_summary(rows)])


def _parts(row: _Row) -> list[_Row]:
    """Returns a row as one for each table that it has columns for."""
    names = [name for name in ("style", "size", "photos", "video") if name in row]
    groups: dict[int, _Row] = {}
    for name in row:
        if name not in names:
            groups.setdefault(_group(name), {each: row[each] for each in names})[name] = row[name]
    return list(groups.values())


def _group(name: str) -> int:
    """Returns in which table the column belongs: likeness (also all of videos), artefacts, ratios."""
    return 2 if name.endswith("/beside") else 1 if name in _ARTEFACT_COLUMNS else 0


def _place(columns: Sequence[str]) -> int:
    return _group(columns[-1])


def _summary(rows: Sequence[_Row]) -> list[str]:
    """Returns the mean over the styles, and the worst of them, of the ratios to other nets, by size or video."""
    lines = []
    for where in dict.fromkeys((row.get("size"), row.get("video")) for row in rows):
        group = [row for row in rows if (row.get("size"), row.get("video")) == where]
        for name in (name for name in group[0] if name.endswith("/beside")):
            values = [float(row[name]) for row in group if name in row]
            worst = min(values) if name.startswith("structure") else max(values)
            lines.append(f"{where[0] or where[1]}  {name}: mean {np.mean(values):.3f}, worst {worst:.3f}")
    return ["\n".join(lines)] if lines and len(rows) > 1 else []


def _table(rows: Sequence[_Row]) -> str:
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: float | str) -> str:
    if isinstance(value, float) and value >= 1e4:
        return f"{value / 1e6:.3f} M"
    if isinstance(value, float):
        return f"{value:.3f}" if value >= 0.1 else f"{value:.2g}"
    return str(value)
