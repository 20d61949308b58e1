"""`nst-train paint PHOTO STYLE -o OUT`: from the options to a painting by Gatys' slow method."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from styles.cli.common import check_style_scale, device_named, loss_weights, open_loss_network
from styles.cli.options import CommandLine, LossOptions, MachineOptions, PaintOptions
from styles.support.errors import UsageError
from styles.support.progress import progress_display
from styles.training.gatys import PictureLoss, noise_picture, paint_slowly
from styles.training.loss_network import SMALLEST_SIDE
from styles.training.pictures import PICTURE_SUFFIXES, PictureError, read_picture, resize_short_side, write_picture
from styles.training.style_grams import style_grams


def run_paint(line: CommandLine) -> str:
    """Paints, writes the picture and returns the losses before and after."""
    options, losses = line.of(PaintOptions), line.of(LossOptions)
    check_style_scale(losses.style_scale)
    device = device_named(line.of(MachineOptions).device)
    if options.size < SMALLEST_SIDE:
        raise UsageError(f"--size {options.size}: the loss network looks at {SMALLEST_SIDE} pixels and up")
    _check_output(options)
    photo = resize_short_side(read_picture(options.photo), options.size)
    style, start = read_picture(options.style), _start(options, photo)
    name = options.style.stem
    weights = loss_weights(losses, [name]).of(name)
    network = open_loss_network(losses.loss_network, device)
    loss = PictureLoss(photo, style_grams(style, network, losses.style_scale), network, weights)
    with progress_display() as report:
        painting = paint_slowly(loss, start, options.steps, options.optimizer, report)
    write_picture(options.out, painting.picture)
    return f"{options.out}\nbefore: {_line(painting.losses_before)}\nafter:  {_line(painting.losses_after)}"


def _check_output(options: PaintOptions) -> None:
    """Raises UsageError if the painting could not be written after all the work."""
    out = options.out
    if out.suffix.lower() not in PICTURE_SUFFIXES:
        raise UsageError(f"cannot write {out}; expected a name ending in {', '.join(sorted(PICTURE_SUFFIXES))}")
    if not out.parent.is_dir():
        raise UsageError(f"cannot write {out}: there is no folder {out.parent}")
    if any(each.exists() and out.exists() and each.samefile(out) for each in (options.photo, options.style)):
        raise UsageError(f"cannot write {out}: it is the input itself; name another file")
    if out.is_dir() or not os.access(out if out.exists() else out.parent, os.W_OK):
        raise UsageError(f"cannot write {out}; expected the name of a picture in a folder that can be written to")
    if out.exists() and not options.overwrite:
        raise UsageError(f"{out} exists already; to paint it again, add -y, or name another file")


def _start(options: PaintOptions, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if options.init == "photo":
        return photo
    if options.init == "noise":
        return noise_picture(photo.shape[0], photo.shape[1], options.seed)
    start = resize_short_side(read_picture(Path(options.init)), options.size)
    if start.shape != photo.shape:
        sizes = [f"{picture.shape[1]} x {picture.shape[0]}" for picture in (start, photo)]
        raise PictureError(f"{options.init} has another shape than the photograph: {sizes[0]}, expected {sizes[1]}")
    return start


def _line(losses: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.6g}" for name, value in losses.items())
