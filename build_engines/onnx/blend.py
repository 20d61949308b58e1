"""What the temporal stabilizer does with pixels: the last painting, moved along with the scene, goes into the new one.

It is written once and runs wherever the net runs: `blend_graph.py` writes the steps as an ONNX graph, `blend_net.py`
takes them in PyTorch. `realtime/stylize/stabilizer.py` has the same steps in OpenCV for processors, where bytes are
faster than floats; the tests hold the three together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

# Strokes are never painted twice alike, and blended they lose detail; this much of it is given back. It is more than
# what was lost by measure, since the finest detail is lost most and is not measured: it would be noise.
RESTORED = 1.3
# Less than this is not worth a pass over the picture.
LEAST_RESTORED = 0.02
# Detail is what is between means over so many pixels of a row, in the mean over every eighth row.
FINEST, COARSEST = 3, 9
EVERY_ROWS = 8
# What is given back is what a mean over a square of this side lacks.
DETAIL_SIZE = 5
# Detail of a picture without any, in levels.
LEAST_DETAIL = 1e-3

# Motion is looked for in frames that are reduced to this width.
_VIEW_WIDTH = 256

# The inputs and outputs of the graph.
LAST, NEW_PAINTING, FLOW, NEW, KEPT = "last", "painted", "flow", "new", "kept"
SHOWN, MIXED = "shown", "mixed"
BLEND_TENSORS = frozenset((LAST, NEW_PAINTING, FLOW, NEW, KEPT, SHOWN, MIXED))


def view_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns width and height of the reduced frame in which motion is looked for.

    Args:
        size: width and height of the frame.
    """
    width = min(size[0], _VIEW_WIDTH)
    return width, max(1, round(size[1] * width / size[0]))


class Numbers(Protocol):
    """A tensor: what can be calculated with."""

    def __add__(self, other: Any, /) -> Self: ...
    def __sub__(self, other: Any, /) -> Self: ...
    def __mul__(self, other: Any, /) -> Self: ...
    def __truediv__(self, other: Any, /) -> Self: ...
    def __neg__(self) -> Self: ...


T = TypeVar("T", bound=Numbers)


class BlendOps(Protocol[T]):
    """The steps that are more than arithmetic. Pictures are 1 x C x H x W float32, in levels of 0..255."""

    def moved(self, picture: T, flow: T) -> T:
        """Returns the picture with each pixel taken from where `flow` (1 x 2 x H x W, in pixels) says, bilinearly."""

    def enlarged(self, flow: T, like: T) -> T:
        """Returns a flow of the reduced frame at the size of the picture `like`, bilinearly."""

    def repeated(self, mask: T, like: T) -> T:
        """Returns a mask of the reduced frame at the size of the picture `like`, to the nearest pixel."""

    def highest_around(self, picture: T) -> T:
        """Returns the highest level within 3 x 3 pixels."""

    def mean_around(self, picture: T, side: int) -> T:
        """Returns the mean over a square of `side` pixels, rounded; the picture is reflected at its borders."""

    def row_means(self, picture: T, width: int) -> T:
        """Returns the mean over `width` pixels in every `EVERY_ROWS`th row, rounded; borders are reflected."""

    def mean_difference(self, one: T, other: T) -> T:
        """Returns the mean of the absolute difference, 1 x 1 x 1 x 1."""

    def within(self, values: T, lowest: T | float, highest: T | float) -> T:
        """Returns the values, none below `lowest` and none above `highest`."""

    def if_above(self, values: T, least: float) -> T:
        """Returns the values, 0 in place of those below `least`."""

    def rounded(self, values: T) -> T:
        """Returns the values to the nearest integer."""


@dataclass(frozen=True)
class BlendInputs(Generic[T]):
    """What is blended.

    Args:
        last: what is kept of the last painting, 1 x 3 x H x W.
        painted: the new painting, 1 x 3 x H x W.
        flow: where each pixel of the reduced frame was, as an offset in pixels of the painting, 1 x 2 x h x w.
        new: 1 where nothing of the last painting stays, else 0; 1 x 1 x h x w.
        kept: how much of the last painting stays elsewhere, 0..1.
    """

    last: T
    painted: T
    flow: T
    new: T
    kept: T


def blend(ops: BlendOps[T], inputs: BlendInputs[T]) -> tuple[T, T]:
    """Returns what is shown and what is kept, both 1 x 3 x H x W in whole levels."""
    painted = inputs.painted
    moved = ops.moved(inputs.last, ops.enlarged(inputs.flow, painted))
    # held within what the new painting has around each pixel, so that what is older is gone
    moved = ops.within(moved, -ops.highest_around(-painted), ops.highest_around(painted))
    share = inputs.kept - ops.repeated(inputs.new, painted) * inputs.kept
    mixed = ops.rounded(painted + (moved - painted) * share)
    more = _detail(ops, painted) / ops.within(_detail(ops, mixed), LEAST_DETAIL, 255.0) - 1.0
    amount = ops.if_above(ops.within(more * RESTORED, 0.0, 1.0), LEAST_RESTORED)
    restored = mixed + (mixed - ops.mean_around(mixed, DETAIL_SIZE)) * amount
    return ops.within(ops.rounded(restored), 0.0, 255.0), mixed


def _detail(ops: BlendOps[T], picture: T) -> T:
    """Returns how much there is between noise and what is large."""
    return ops.mean_difference(ops.row_means(picture, FINEST), ops.row_means(picture, COARSEST))
