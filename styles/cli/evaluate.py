"""`nst-train evaluate STYLE …`: from the options to a table of figures."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from styles.cli.candidates import Candidate, all_candidates, other_nets
from styles.cli.common import check_style_scale, device_named, open_loss_network
from styles.cli.options import CommandLine, EvaluateOptions, MachineOptions
from styles.evaluation.artefacts import SMALLEST_PICTURE, Artefacts
from styles.evaluation.evaluation import SIZES, Quality, UnpaintedPhotos, evaluate, evaluation_photos, video_gram_sum
from styles.evaluation.steadiness import Frame, VideoError, measure_steadiness, still_scene_ratio, video_frames
from styles.support.errors import UsageError
from styles.training.loss_network import STYLE_LAYERS, LossNetwork
from styles.training.style_grams import StyleReference, style_reference

_Row = dict[str, float | str]
# What is compared with the nets of --beside, as ratios.
_COMPARED = ("total", "style_loss", "content_loss", "structure3_2", "structure4_2", "excess")
# The endings of columns that are ratios: to the nets of --beside, and to the unpainted photograph.
_RATIOS = ("/beside", "/photo")
_ARTEFACT_COLUMNS = ("artefacts", "still", *(field.name for field in fields(Artefacts)))

_log = logging.getLogger(__name__)


def run_evaluate(line: CommandLine) -> str:
    """Returns the tables of what the options ask for, or with --json a list of objects."""
    options = line.of(EvaluateOptions)
    _check(options)
    device = device_named(line.of(MachineOptions).device)
    candidates = all_candidates(options, device)
    others = other_nets(options.beside, candidates)
    sizes = options.size or SIZES
    photos = {size: evaluation_photos(options.photos, options.most, size) for size in sizes} if options.photos else {}
    network = open_loss_network(options.loss_network, device)
    if not options.pictures and options.styles:
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
        self._unpainted: dict[int, UnpaintedPhotos] = {}

    def __call__(self, candidate: Candidate) -> list[_Row]:
        rows = [self._photo_row(candidate, size) for size in self.photos]
        return rows + [self._video_row(candidate, video) for video in self.options.video]

    def _reference(self, candidate: Candidate) -> StyleReference | None:
        """Returns what the candidate is compared with, found once for each style."""
        if candidate.picture is not None and candidate.style not in self._references:
            reference = style_reference(candidate.picture, self.network, self.options.style_scale)
            self._references[candidate.style] = reference
        return self._references.get(candidate.style)

    def _photo_row(self, candidate: Candidate, size: int) -> _Row:
        photos, reference = self.photos[size], self._reference(candidate)
        unpainted = self._unpainted_losses(size, reference) if candidate.predicted and reference else None
        quality = evaluate(candidate.paint, photos, reference, self.network, unpainted)
        row: _Row = {"style": candidate.label, "size": size, "photos": len(photos), **_likeness(quality)}
        row |= {name: value for name, value in asdict(quality.artefacts).items() if value is not None}
        row["artefacts"] = ", ".join(quality.artefacts.found) or "none"
        return {**row, "still": still_scene_ratio(candidate.paint, photos[0])} if self.options.still else row

    def _unpainted_losses(self, size: int, reference: StyleReference) -> list[float]:
        """Returns the style term of the photographs themselves."""
        if size not in self._unpainted:
            self._unpainted[size] = UnpaintedPhotos(self.photos[size], self.network)
        return self._unpainted[size].style_losses(reference)

    def _video_row(self, candidate: Candidate, video: Path) -> _Row:
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
    if quality.style_over_photo is not None:
        row["style/photo"] = quality.style_over_photo
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
    if not options.styles and not options.style_picture:
        raise UsageError("say what to evaluate: a STYLE, --style-picture FILE or both")
    if options.beside and not options.styles:
        raise UsageError("--beside goes with a STYLE")
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
    """Returns the mean over the styles, and the worst of them, of ratios, by size or video."""
    lines = []
    for where in dict.fromkeys((row.get("size"), row.get("video")) for row in rows):
        group = [row for row in rows if (row.get("size"), row.get("video")) == where]
        for name in dict.fromkeys(name for row in group for name in row if name.endswith(_RATIOS)):
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
