"""The losses of the article (Gatys, Ecker, Bethge 2016; Johnson, Alahi, Fei-Fei 2016), one value per picture.

Every one is 'squared norm / size', and its `.mean()` 'squared norm / size / batch' as the article has it. Pixels come
in 0..1, and their losses are in the article's unit, squares of levels of 0..255. `relative_gram_errors` and
`structure_correlations` are for comparing what has been trained; no training uses them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# From squares of pixels in 0..1 to those of the article's pixels in 0..255.
SQUARED_LEVELS = 255.0**2
# Maps whose deviation is below this share of what their layer's maps have together are nearly empty: they count less.
_EMPTY_MAP = 0.05
# Rows and columns at the border of a picture, and those that they should be like, further in.
_BORDER, _INNER = (0, 8), (16, 32)
# Walls and skies: where a photograph's brightness deviates by less than this in windows of that side; and the side of
# the windows in which paintings are compared with it.
_FLAT_DEVIATION, _FLAT_WINDOW, _BLOB_WINDOW = 6 / 255, 15, 9
# The share of a photograph's variance that a painting has to keep there, and the variance of rounding to bytes.
_LEFT, _ROUNDING = 0.8, 1 / 12 / 255**2
# The pixels of a picture that count as edges, and how steep they are at least: two levels of 255 are none.
_EDGE_SHARE, _LEAST_STEEPNESS = 0.1, 0.003
# Chroma that is hardly seen, and how much more than the style's is no fringe.
_HARDLY_SEEN, _MOST_CHROMA = 5.0, 1.12
# From linear RGB to CIEXYZ over its white (D65).
_WHITE = torch.tensor([0.950456, 1.0, 1.088754])
_XYZ = (
    torch.tensor([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
    / _WHITE[:, None]
)
# So few flat places count less.
_FEW_PLACES = 500


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Returns ‖F(out) − F(photo)‖² / size of F, per picture, for N x C x H x W features: shape N.

    `.mean()` of it is the article's loss, as with `style_loss`.
    """
    return _mean_square(features - target)


def style_loss(grams: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Returns the sum over layers of ‖G(out) − G(style)‖² / size of G, per picture: shape N.

    grams, targets: one N x C x C per layer (targets may have batch 1). `.mean()` of it is the article's loss; the
    pictures stay apart because several styles are trained side by side, each with its weight.
    """
    return torch.stack([_mean_square(gram - target) for gram, target in zip(grams, targets, strict=True)]).sum(dim=0)


def relative_gram_errors(grams: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Returns ‖G(out) − G(style)‖² / ‖G(style)‖² by layer and picture: L x N. 1 is an empty picture's."""
    return torch.stack([_mean_square(g - t) / _mean_square(t) for g, t in zip(grams, targets, strict=True)])


def total_variation_loss(images: Tensor) -> Tensor:
    """Returns the squared differences of neighbours in y and x, each over its size (the denoise loss).

    images: N x C x H x W, in 0..1. Per picture, in squared levels of 255: shape N.
    """
    dy = images[:, :, 1:, :] - images[:, :, :-1, :]
    dx = images[:, :, :, 1:] - images[:, :, :, :-1]
    return SQUARED_LEVELS * (dy.square().mean(dim=(1, 2, 3)) + dx.square().mean(dim=(1, 2, 3)))


def structure_loss(maps: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Returns 1 - correlation of a painting's maps with its photograph's, mean over layers, per picture: shape N.

    A style changes how strong a map is more than where it is strong, so maps are compared at mean 0 and deviation 1.
    maps, targets: for each layer (relu3_2 and relu4_2) N x C x H x W.
    """
    return torch.stack([1 - _correlation(x, y) for x, y in zip(maps, targets, strict=True)]).mean(dim=0)


def structure_correlations(maps: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Returns Pearson's correlation of each map with the target's, mean over the maps, by layer and picture: L x N.

    Does the subject survive, whatever the style? It is 1 if every map of the painting has the shape of the
    photograph's. An empty map of the painting counts as 0; maps that are empty in the photograph do not count.
    """
    rows = []
    for layer, target in zip(maps, targets, strict=True):
        (x, spread), (y, target_spread) = _centred(layer), _centred(target)
        each = (x * y).mean(dim=2) / (spread * target_spread).clamp(min=1e-12)
        there = target_spread > 0
        rows.append((each * there).sum(dim=1) / there.sum(dim=1).clamp(min=1))
    return torch.stack(rows)


def _correlation(x: Tensor, target: Tensor) -> Tensor:
    """Returns the correlation of all maps of a picture together, each normalised before: shape N."""
    x, target = _instance_normalised(x), _instance_normalised(target)
    sizes = x.square().mean(dim=(1, 2)) * target.square().mean(dim=(1, 2))
    return (x * target).mean(dim=(1, 2)) / sizes.clamp(min=1e-12).sqrt()


def _instance_normalised(maps: Tensor) -> Tensor:
    """Returns N x C x (H·W) maps of mean 0 and deviation 1, but for nearly empty ones, which stay smaller."""
    centred, spread = _centred(maps)
    floor = _EMPTY_MAP * spread.square().mean(dim=1, keepdim=True).sqrt().detach() + 1e-6
    # within the root, which has no gradient at 0
    return centred / (centred.square().mean(dim=2) + floor.square()).sqrt()[:, :, None]


def _centred(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Returns N x C x (H·W) maps of mean 0 in float32, and their deviations, N x C."""
    flat = maps.float().flatten(2)
    centred = flat - flat.mean(dim=2, keepdim=True)
    return centred, centred.detach().square().mean(dim=2).sqrt()


def temporal_loss(painted_moved: Tensor, moved_painted: Tensor, valid: Tensor) -> Tensor:
    """Returns the mean squared difference between the painting of a moved photograph and the moved painting.

    Both N x 3 x H x W in 0..1; valid: N x 1 x H x W, 0 where the motion leaves the picture, else 1. Per picture, in
    squared levels of 255: shape N.
    """
    error = (painted_moved - moved_painted).square() * valid
    return SQUARED_LEVELS * error.sum(dim=(1, 2, 3)) / (valid.sum(dim=(1, 2, 3)) * error.shape[1]).clamp(min=1)


def lattice_loss(images: Tensor, step: int) -> Tensor:
    """Returns the energy of what repeats every `step` pixels over the whole picture, and so is no stroke but the net's.

    A net that halves the resolution paints each of its step x step places a little differently, and learns to pass off
    the resulting mesh as texture. The mean of each place over the whole picture shows it, since strokes cancel out.
    images: N x C x H x W in 0..1, H and W multiples of step. A scalar: the mean squared deviation of the places' means,
    in squared levels of 255.
    """
    n, channels, height, width = images.shape
    places = images.reshape(n, channels, height // step, step, width // step, step).mean(dim=(2, 4))
    return SQUARED_LEVELS * (places - places.mean(dim=(2, 3), keepdim=True)).square().mean()


def fringe_loss(images: Tensor, photos: Tensor, style_chroma: Tensor) -> Tensor:
    """Returns how much stronger than the style's the colours at a painting's edges are: coloured fringes.

    images, photos: N x 3 x H x W in 0..1. style_chroma: N, of `edge_chroma(style, style)`. Per picture, the square of
    the share that is too much: shape N.
    """
    ratio = (edge_chroma(images, photos) + _HARDLY_SEEN) / (style_chroma + _HARDLY_SEEN)
    return F.relu(ratio - _MOST_CHROMA).square()


def edge_chroma(images: Tensor, photos: Tensor) -> Tensor:
    """Returns the mean chroma, the distance from grey in CIELAB, where the photographs have their edges: shape N.

    Both N x 3 x H x W in 0..1. Edges are the pixels with the steepest tenth of all gradients.
    """
    edges = _edges(photos)
    return (_chroma(images) * edges).sum(dim=(1, 2)) / edges.sum(dim=(1, 2)).clamp(min=1)


def border_loss(images: Tensor, photos: Tensor) -> Tensor:
    """Returns how much brighter or darker than its photograph's the border of a painting is: a frame.

    A net that pads, judged by a network that pads, paints frames. Both N x 3 x H x W in 0..1, 32 pixels and up. Per
    picture, the square in deviations of the picture's brightness: shape N.
    """
    return (_border_step(images) - _border_step(photos)).square()


def flat_places_loss(images: Tensor, photos: Tensor) -> Tensor:
    """Returns how much flatter than the photograph a painting is in its skies and walls: blobs of one colour.

    Both N x 3 x H x W in 0..1. Per picture, the mean of the logarithms of what is missing of the variance: shape N.
    """
    grey = photos.mean(dim=1, keepdim=True)
    there = (_local_variance(grey, _FLAT_WINDOW) < _FLAT_DEVIATION**2).float()
    inset = (_FLAT_WINDOW - _BLOB_WINDOW) // 2
    wanted, found = (
        _local_variance(each, _BLOB_WINDOW)[..., inset:-inset, inset:-inset]
        for each in (grey, images.mean(dim=1, keepdim=True))
    )
    missing = F.relu(torch.log((_LEFT * wanted + _ROUNDING) / (found + _ROUNDING))) * there
    return missing.sum(dim=(1, 2, 3)) / (there.sum(dim=(1, 2, 3)) + _FEW_PLACES)


def _border_step(images: Tensor) -> Tensor:
    """Returns the brightness of the border less that of what lies further in, in deviations of the picture: shape N."""
    grey = images.mean(dim=1)
    deviation = grey.flatten(1).std(dim=1) + 0.02  # a picture of one colour has none

    def around(first: int, end: int) -> Tensor:
        sides = (grey[:, first:end], grey.flip(1)[:, first:end], grey[:, :, first:end], grey.flip(2)[:, :, first:end])
        return torch.stack([side.mean(dim=(1, 2)) for side in sides]).mean(dim=0)

    return (around(*_BORDER) - around(*_INNER)) / deviation


def _edges(images: Tensor) -> Tensor:
    """Returns 1 at the edges of pictures, else 0: N x H x W."""
    grey = F.avg_pool2d(images.mean(dim=1, keepdim=True), 3, 1, 1)[:, 0]
    steepness = torch.zeros_like(grey)
    steepness[:, 1:-1, 1:-1] = torch.hypot(
        grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1], grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]
    )
    flat = steepness.flatten(1)
    least = flat.kthvalue(round((1 - _EDGE_SHARE) * flat.shape[1]), dim=1).values.clamp(min=_LEAST_STEEPNESS)
    return (steepness > least[:, None, None]).float()


def _chroma(images: Tensor) -> Tensor:
    """Returns how far from grey the pixels of sRGB pictures are: the length of (a, b) in CIELAB, N x H x W."""
    images = images.clamp(0, 1)
    # powers have no finite gradient at 0
    linear = torch.where(images > 0.04045, ((images + 0.055) / 1.055).clamp(min=1e-4) ** 2.4, images / 12.92)
    xyz = torch.einsum("ij,njhw->nihw", _XYZ.to(images.device), linear)
    bent = torch.where(xyz > 0.008856, xyz.clamp(min=1e-3) ** (1 / 3), 7.787 * xyz + 16 / 116)
    a, b = 500 * (bent[:, 0] - bent[:, 1]), 200 * (bent[:, 1] - bent[:, 2])
    return (a.square() + b.square() + 0.01).sqrt()


def _local_variance(grey: Tensor, side: int) -> Tensor:
    """Returns the variance in each window of a picture, N x 1 x H' x W'."""
    mean = F.avg_pool2d(grey, side, 1)
    return (F.avg_pool2d(grey.square(), side, 1) - mean.square()).clamp(min=0)


def _mean_square(x: Tensor) -> Tensor:
    """Returns the mean square per picture: shape N."""
    return x.square().flatten(1).mean(dim=1)
