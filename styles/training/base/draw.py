"""The random part of a step: photographs, the styles that they are painted in, and a camera motion.

Everything follows from the plan's seed and the number of the step, so that a resumed training goes on exactly as an
uninterrupted one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from styles.training.base.squares import Squares
from styles.training.motion import Motion, camera_noise, random_motion
from styles.training.pictures import MAX_ZOOM

# Squares are larger than crops by these factors, so that a crop that shows a part of a picture is not enlarged much.
PHOTO_SIDE, PAINTING_SIDE = 1.25, 1.375
# What share of a painting's square a crop shows, from all of the strokes' surroundings to single strokes.
_PAINTING_ZOOMS = (PAINTING_SIDE, 1.8 * PAINTING_SIDE)
# For the encoder alone: crops of paintings are larger, and whole or nearly so, as users' pictures are.
_WHOLE_PAINTING_SIDE = 1.25
_WHOLE_PAINTING_ZOOMS = (0.94, 1.3)
# Some 8 in 100 photographs are whole, as with every training.
_PHOTO_ZOOMS = (0.94, MAX_ZOOM)
# Sets the random numbers of the own styles apart from those of steps.
_STYLES = 1
# Light: the contrast's factor around 1, and what is added to all pixels.
_CONTRAST, _BRIGHTNESS = 0.15, 0.08
# Colours of paintings: the saturation's factor around 1, and how many have red, green and blue exchanged.
_SATURATION, _EXCHANGED_SHARE = 0.3, 0.2


@dataclass(frozen=True)
class Draw:
    """What a step works on: B photographs, of which the last A are painted like paintings, the others in own styles.

    Args:
        photos: B x 3 x crop x crop in 0..1.
        chosen: int64[B - A], which own style each of the first has.
        paintings: A x 3 x side x side in 0..1; crop, or 1.25 times that if they are whole.
        picked: int64[M], the photographs that are seen again after a camera motion; none if nothing is moved.
        motion: of those.
        moved: M x 3 x crop x crop, what the camera sees after it.
        pairs: M; for the share of one of several processes, the mean of all of them.
    """

    photos: Tensor
    chosen: Tensor
    paintings: Tensor
    picked: Tensor
    motion: Motion
    moved: Tensor
    pairs: float

    @property
    def own(self) -> int:
        """B - A, how many photographs are painted in own styles."""
        return len(self.chosen)

    @property
    def pair_share(self) -> float:
        """How many photographs are seen again, over the mean of all processes, of which one may have none."""
        return len(self.picked) / self.pairs if self.pairs else 0.0

    def share(self, index: int, count: int) -> Draw:
        """Returns what one of several processes works on; the numbers of photographs are multiples of theirs.

        Args:
            index: of the process.
            count: of all processes.
        """
        others = len(self.paintings)
        own_places = torch.arange(self.own).chunk(count)[index]
        painting_places = torch.arange(others).chunk(count)[index]
        places = torch.cat([own_places, self.own + painting_places])
        found = [(pair, (places == place).nonzero()) for pair, place in enumerate(self.picked.tolist())]
        mine = [(pair, int(at[0, 0])) for pair, at in found if len(at)]
        pairs = torch.tensor([pair for pair, _ in mine], dtype=torch.int64, device=self.picked.device)
        return Draw(
            photos=self.photos[places.to(self.photos.device)],
            chosen=self.chosen[own_places.to(self.chosen.device)],
            paintings=self.paintings[painting_places.to(self.paintings.device)],
            picked=torch.tensor([place for _, place in mine], dtype=torch.int64, device=self.picked.device),
            motion=Motion(self.motion.grid[pairs], self.motion.valid[pairs]),
            moved=self.moved[pairs],
            pairs=self.pairs / count,
        )


@dataclass(frozen=True)
class Sizes:
    """How much a step works on.

    Args:
        batch: photographs, B.
        own: how many of them are painted in the nets' own styles, B - A.
        styles: how many own styles there are.
        crop: the side of the pictures, in pixels.
        moves: photographs are seen again after a camera motion.
    """

    batch: int
    own: int
    styles: int
    crop: int
    moves: bool = True


class Drawer:
    """Draws what steps work on.

    Args:
        photos: squares of photographs.
        paintings: squares of paintings.
        sizes: how much a step works on.
        seed: of all random numbers.
        whole_paintings: show nearly all of a painting, and larger.
    """

    def __init__(
        self, photos: Squares, paintings: Squares, sizes: Sizes, seed: int, whole_paintings: bool = False
    ) -> None:
        self.photos, self.paintings, self.sizes, self.seed = photos, paintings, sizes, seed
        self.whole_paintings = whole_paintings

    def draw(self, step: int) -> Draw:
        """Returns what the step works on, in the memory of the squares' device."""
        rng = np.random.default_rng((self.seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        batch, own, crop = self.sizes.batch, self.sizes.own, self.sizes.crop
        photos = _vary_light(_crops(self.photos, batch, crop, _PHOTO_ZOOMS, rng), rng)
        side, zooms = crop, _PAINTING_ZOOMS
        if self.whole_paintings:
            side, zooms = round(_WHOLE_PAINTING_SIDE * crop), _WHOLE_PAINTING_ZOOMS
        paintings = _crops(self.paintings, batch - own, side, zooms, rng)
        paintings = _vary_light(_vary_colours(paintings, rng), rng)
        # from both halves, since both have to be steady
        count = max(2, batch // 4) if self.sizes.moves else 0
        picked = np.linspace(0, batch - 1, count).round().astype(np.int64)
        device = photos.device
        places = torch.from_numpy(picked).to(device)
        motion, moved = _moved(photos[places], generator)
        return Draw(
            photos=photos,
            chosen=torch.from_numpy(self._own_styles(step)).to(device),
            paintings=paintings,
            picked=places,
            motion=motion,
            moved=moved,
            pairs=len(picked),
        )

    def _own_styles(self, step: int) -> NDArray[np.int64]:
        """Returns the own styles of a step: in turn, so that none comes twice before every other came once."""
        own, styles = self.sizes.own, self.sizes.styles
        if not own:
            return np.zeros(0, dtype=np.int64)
        rounds = range(step * own // styles, ((step + 1) * own - 1) // styles + 1)
        orders = [np.random.default_rng((self.seed, _STYLES, turn)).permutation(styles) for turn in rounds]
        first = step * own - rounds.start * styles
        return np.concatenate(orders)[first : first + own]


def _moved(photos: Tensor, generator: torch.Generator) -> tuple[Motion, Tensor]:
    """Returns a camera motion for each of M x 3 x H x W photographs, and what the camera sees after it."""
    count, _, height, width = photos.shape
    if not count:
        return Motion(photos.new_zeros(0, height, width, 2), photos.new_zeros(0, 1, height, width)), photos
    motion = random_motion(count, height, width, generator)
    motion = Motion(motion.grid.to(photos.device), motion.valid.to(photos.device))
    return motion, camera_noise(motion.move(photos), generator)


def _crops(squares: Squares, count: int, crop: int, zooms: tuple[float, float], rng: np.random.Generator) -> Tensor:
    """Returns `count` different squares, zoomed, cropped and mirrored at random: N x 3 x crop x crop in 0..1."""
    chosen = rng.choice(len(squares), size=count, replace=len(squares) < count)
    zoom = np.exp(rng.uniform(math.log(zooms[0]), math.log(zooms[1]), count)).clip(min=1.0)
    return torch.cat([_crop(squares, i, round(squares.side / z), crop, rng) for i, z in zip(chosen, zoom, strict=True)])


def _crop(squares: Squares, index: int, window: int, crop: int, rng: np.random.Generator) -> Tensor:
    top, left = (int(corner) for corner in rng.integers(0, squares.side - window + 1, 2))
    piece = squares.pixels[index, :, top : top + window, left : left + window][None].float() / 255
    if rng.random() < 0.5:
        piece = piece.flip(3)
    if window == crop:
        return piece
    return F.interpolate(piece, size=(crop, crop), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def _vary_light(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Returns N x 3 x H x W images with more or less contrast and light."""
    mean = images.mean(dim=(2, 3), keepdim=True)
    contrast, brightness = (_around_zero(images, spread, rng) for spread in (_CONTRAST, _BRIGHTNESS))
    return ((images - mean) * (1 + contrast) + mean + brightness).clamp(0, 1)


def _vary_colours(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Returns N x 3 x H x W images with other colours: there are more palettes than paintings."""
    exchanged = rng.random(len(images)) < _EXCHANGED_SHARE
    orders = np.array([rng.permutation(3) if each else np.arange(3) for each in exchanged]).reshape(-1, 3)
    images = torch.stack([image[list(order)] for image, order in zip(images, orders, strict=True)])
    grey = images.mean(dim=1, keepdim=True)
    return ((images - grey) * (1 + _around_zero(images, _SATURATION, rng)) + grey).clamp(0, 1)


def _around_zero(images: Tensor, spread: float, rng: np.random.Generator) -> Tensor:
    """Returns a number in -spread..spread for each image: N x 1 x 1 x 1."""
    numbers = rng.uniform(-spread, spread, len(images)).astype(np.float32)
    return torch.from_numpy(numbers).to(images.device).view(-1, 1, 1, 1)
