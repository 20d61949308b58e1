"""What lies between the convolutions of a net, in Triton: norm, style, ReLU, residual and padding in one pass.

A tensor is H x W x C in memory (channels last). Statistics are summed in float32 around the first pixel of a channel,
so that a channel that hardly varies keeps its digits. What a convolution makes for upsampling is H/2 x W/2 x 4 x C: the
four pixels of each place behind one another, and their channels side by side.

Triton must be there to import this. With TRITON_INTERPRET=1 the kernels run on a processor, which the tests do.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

# So many programs sum up a tensor, whatever its size: their results are added in one go, and always in the same order.
SUMMING_PROGRAMS = 128
# Elements that a program handles at a time: of a tensor, and of a picture of bytes.
_TILE, _BYTES_TILE = 2048, 1024
_CHANNELS_AT_A_TIME = 16


@triton.jit
def _sums(x, sums, pixels, CHANNELS: tl.constexpr, BLOCK: tl.constexpr, PADDED: tl.constexpr, PROGRAMS: tl.constexpr):
    """Adds up each channel and its square, less the channel's first pixel. sums: PROGRAMS x 2 x CHANNELS."""
    program = tl.program_id(0)
    channel = tl.arange(0, PADDED)
    there = channel < CHANNELS
    first = tl.load(x + channel, mask=there, other=0.0).to(tl.float32)
    total = tl.zeros((PADDED,), tl.float32)
    squares = tl.zeros((PADDED,), tl.float32)
    for start in range(program * BLOCK, pixels, PROGRAMS * BLOCK):
        pixel = start + tl.arange(0, BLOCK)
        mask = (pixel < pixels)[:, None] & there[None, :]
        values = tl.load(x + pixel[:, None] * CHANNELS + channel[None, :], mask=mask, other=0.0).to(tl.float32)
        values = tl.where(mask, values - first[None, :], 0.0)
        total += tl.sum(values, axis=0)
        squares += tl.sum(values * values, axis=0)
    place = sums + program * 2 * CHANNELS + channel
    tl.store(place, total, mask=there)
    tl.store(place + CHANNELS, squares, mask=there)


@triton.jit
def _factors(
    x, sums, style, factors, pixels, eps,
    CHANNELS: tl.constexpr, PHASES: tl.constexpr, BLOCK: tl.constexpr, PROGRAMS: tl.constexpr,
):  # fmt: skip
    """Makes a factor and an offset for each channel of its sums and its style. factors: 2 x CHANNELS.

    PHASES: how many pixels of a channel lie behind one another, 1 or 4; x: the tensor that was summed up.
    """
    channel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there = channel < CHANNELS
    program = tl.arange(0, PROGRAMS)
    mask = there[None, :] & (program >= 0)[:, None]
    mean = tl.zeros((BLOCK,), tl.float32)
    square = tl.zeros((BLOCK,), tl.float32)
    # means of the phases around that of the first one, which is near them all
    near = tl.zeros((BLOCK,), tl.float32)
    for phase in tl.static_range(PHASES):
        column = phase * CHANNELS + channel
        place = sums + program[:, None] * (2 * PHASES * CHANNELS) + column[None, :]
        first = tl.load(x + column, mask=there, other=0.0).to(tl.float32)
        moved = tl.sum(tl.load(place, mask=mask, other=0.0), axis=0) / pixels
        spread = tl.sum(tl.load(place + PHASES * CHANNELS, mask=mask, other=0.0), axis=0) / pixels
        if phase == 0:
            near = first + moved
        apart = first + moved - near
        mean += apart / PHASES
        square += (spread - moved * moved + apart * apart) / PHASES
    variance = tl.maximum(square - mean * mean, 0.0)
    scale = tl.load(style + channel, mask=there, other=0.0)
    shift = tl.load(style + CHANNELS + channel, mask=there, other=0.0)
    factor = scale / tl.sqrt(variance + eps)
    tl.store(factors + channel, factor, mask=there)
    tl.store(factors + CHANNELS + channel, shift - (near + mean) * factor, mask=there)


@triton.jit
def _inside(place, size, REPEATS: tl.constexpr):
    """Returns the row or column that padding shows at a place: the edge, or its mirror image."""
    if REPEATS:
        return tl.minimum(tl.maximum(place, 0), size - 1)
    place = tl.where(place < 0, -place, place)
    return tl.where(place >= size, 2 * size - 2 - place, place)


@triton.jit
def _apply(
    x, factors, added, out, height, width, added_pad,
    CHANNELS: tl.constexpr, UPSAMPLES: tl.constexpr, RELU: tl.constexpr, ADDS: tl.constexpr,
    PAD: tl.constexpr, REPEATS: tl.constexpr, BLOCK: tl.constexpr, PADDED: tl.constexpr,
):  # fmt: skip
    """Scales and shifts each channel, then ReLU, then adds another tensor; out: (height + 2 PAD) x (width + 2 PAD)."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row_length = width + 2 * PAD
    row = _inside(pixel // row_length - PAD, height, REPEATS)
    column = _inside(pixel % row_length - PAD, width, REPEATS)
    channel = tl.arange(0, PADDED)
    mask = (pixel < row_length * (height + 2 * PAD))[:, None] & (channel < CHANNELS)[None, :]
    if UPSAMPLES:
        place = ((row // 2) * (width // 2) + column // 2) * 4 + (row % 2) * 2 + column % 2
    else:
        place = row * width + column
    values = tl.load(x + place[:, None] * CHANNELS + channel[None, :], mask=mask, other=0.0).to(tl.float32)
    factor = tl.load(factors + channel, mask=channel < CHANNELS, other=0.0)
    offset = tl.load(factors + CHANNELS + channel, mask=channel < CHANNELS, other=0.0)
    values = values * factor[None, :] + offset[None, :]
    if RELU:
        values = tl.maximum(values, 0.0)
    if ADDS:
        place = (row + added_pad) * (width + 2 * added_pad) + column + added_pad
        values += tl.load(added + place[:, None] * CHANNELS + channel[None, :], mask=mask, other=0.0).to(tl.float32)
    tl.store(out + pixel[:, None] * CHANNELS + channel[None, :], values.to(out.dtype.element_ty), mask=mask)


@triton.jit
def _from_bytes(frame, out, height, width, middle, PAD: tl.constexpr, BLOCK: tl.constexpr):
    """Makes levels around the middle of a frame of bytes, with a mirrored border; three channels."""
    element = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row_length = width + 2 * PAD
    pixel = element // 3
    row = _inside(pixel // row_length - PAD, height, False)
    column = _inside(pixel % row_length - PAD, width, False)
    mask = pixel < row_length * (height + 2 * PAD)
    values = tl.load(frame + (row * width + column) * 3 + element % 3, mask=mask, other=0)
    tl.store(out + element, values.to(tl.float32) - middle, mask=mask)


@triton.jit
def _to_bytes(x, painted, height, width, UPSAMPLES: tl.constexpr, BLOCK: tl.constexpr):
    """Makes bytes of what the head makes, by a sigmoid; three channels."""
    element = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    pixel = element // 3
    row, column = pixel // width, pixel % width
    if UPSAMPLES:
        pixel = ((row // 2) * (width // 2) + column // 2) * 4 + (row % 2) * 2 + column % 2
    mask = element < height * width * 3
    values = tl.load(x + pixel * 3 + element % 3, mask=mask, other=0.0).to(tl.float32)
    levels = 255 / (1 + tl.exp(-values))
    tl.store(painted + element, tl.floor(levels + 0.5).to(tl.uint8), mask=mask)


def channel_sums(x: Any, sums: Any) -> None:
    """Adds up each channel of a tensor, and its square.

    Args:
        x: 1 x K x H x W, channels last.
        sums: float32[SUMMING_PROGRAMS, 2, K], written.
    """
    _, channels, height, width = x.shape
    padded = triton.next_power_of_2(channels)
    _sums[(SUMMING_PROGRAMS,)](
        x, sums, height * width, CHANNELS=channels, BLOCK=_block(padded), PADDED=padded, PROGRAMS=SUMMING_PROGRAMS
    )


def norm_factors(x: Any, sums: Any, style: Any, factors: Any, eps: float) -> None:
    """Makes a factor and an offset for each channel, that norm it and give it its style.

    Args:
        x: the tensor that was summed up, 1 x (C or 4 C) x H x W, channels last.
        sums: what `channel_sums` wrote.
        style: scales and shifts, float32[2 C].
        factors: float32[2, C], written.
        eps: is added to the variance.
    """
    channels = factors.shape[1]
    _factors[(triton.cdiv(channels, _CHANNELS_AT_A_TIME),)](
        x,
        sums,
        style,
        factors,
        x.shape[2] * x.shape[3],
        eps,
        CHANNELS=channels,
        PHASES=x.shape[1] // channels,
        BLOCK=_CHANNELS_AT_A_TIME,
        PROGRAMS=SUMMING_PROGRAMS,
    )


def apply_norm(
    x: Any, factors: Any, out: Any, *, pad: int, repeats: bool, relu: bool, added: Any = None, added_pad: int = 0
) -> None:
    """Scales, shifts, and adds, and pads the result for the next convolution.

    Args:
        x: 1 x (C or 4 C) x H x W, channels last.
        factors: what `norm_factors` wrote.
        out: 1 x C x (H + 2 pad) x (W + 2 pad), with H and W doubled if x has 4 C channels; channels last, written.
        pad: the border of the result.
        repeats: whether the border repeats the edge; else it mirrors the picture.
        relu: whether what is below 0 becomes 0, before something is added.
        added: is added to the result without its border, 1 x C x (H + 2 added_pad) x (W + 2 added_pad); or None.
        added_pad: the border of `added`.
    """
    channels = factors.shape[1]
    padded = triton.next_power_of_2(channels)
    block = _block(padded)
    _, _, height, width = out.shape
    _apply[(triton.cdiv(height * width, block),)](
        x,
        factors,
        x if added is None else added,
        out,
        height - 2 * pad,
        width - 2 * pad,
        added_pad,
        CHANNELS=channels,
        UPSAMPLES=x.shape[1] != channels,
        RELU=relu,
        ADDS=added is not None,
        PAD=pad,
        REPEATS=repeats,
        BLOCK=block,
        PADDED=padded,
    )


def from_bytes(frame: Any, out: Any, pad: int, middle: float) -> None:
    """Makes levels around the middle of a frame.

    Args:
        frame: H x W x 3 uint8.
        out: 1 x 3 x (H + 2 pad) x (W + 2 pad) float32, channels last, written; the border mirrors the frame.
        pad: the border.
        middle: what is subtracted.
    """
    height, width, _ = frame.shape
    count = triton.cdiv(out.numel(), _BYTES_TILE)
    _from_bytes[(count,)](frame, out, height, width, middle, PAD=pad, BLOCK=_BYTES_TILE)


def to_bytes(x: Any, painted: Any) -> None:
    """Makes bytes of what the head of a net makes.

    Args:
        x: 1 x (3 or 12) x H x W, channels last; 12 if it is upsampled.
        painted: H x W x 3 uint8, or twice as high and wide; written.
    """
    height, width, _ = painted.shape
    count = triton.cdiv(painted.numel(), _BYTES_TILE)
    _to_bytes[(count,)](x, painted, height, width, UPSAMPLES=x.shape[1] != 3, BLOCK=_BYTES_TILE)


def _block(channels: int) -> int:
    return max(1, _TILE // channels)
