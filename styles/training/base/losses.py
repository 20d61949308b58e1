"""The losses of a base training, relative to the content of a usual photograph.

The article's loss of a painting is a sum of squares in the units of its loss network. Divided by what it gives for the
content of a usual photograph (`Measures.unit`), all terms are around 1, whatever the loss network is.

The nets' own styles have the article's weights of the layers, which follow from the size of the style's Gram matrices.
Two things are added. Any painting has the same weights, about the mean of the article's six styles: otherwise a few
paintings with large Gram matrices would decide everything. And no layer counts less than a little, since the article's
weights of relu1_1 and relu5_1 are so small that colours and motifs are learned by accident.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from styles.training.base.draw import Draw
from styles.training.loss_network import Features
from styles.training.loss_weights import LossWeights
from styles.training.losses import (
    border_loss,
    content_loss,
    flat_places_loss,
    fringe_loss,
    lattice_loss,
    relative_gram_errors,
    structure_loss,
    temporal_loss,
    total_variation_loss,
)

# Weights of the layers' relative errors where the style has the article's weight: at least for own styles, and for
# any painting.
LEAST_LAYER_WEIGHTS = (0.03, 0.2, 0.1, 3.0, 0.05)
PAINTING_LAYER_WEIGHTS = (0.1, 1.5, 0.8, 18.0, 0.3)
# A part of a painting in which hardly anything is found counts less: errors are relative to this share of the usual
# size of the Gram matrices at least. Otherwise a patch of plain sky would decide a step.
LEAST_GRAM_SIZE = 0.2
# The weight of the style loss where it is a share of the unpainted photograph's.
DISTANCE_WEIGHT = 12.0
# Meshes of two pixels are seen at a fraction of the energy of those of four and eight.
_FINE_MESH, _FINE_MESH_WEIGHT = 2, 400.0
_ARTICLE = LossWeights()


@dataclass(frozen=True)
class Measures:
    """What the loss network sees in photographs and paintings, measured once before a training.

    Args:
        content: the mean square of relu4_2, over photographs.
        gram_sizes: float32[5], the mean square of the Gram matrices of each layer, over paintings.
        statistics_mean, statistics_deviation: float32[S], of `style_statistics` over paintings.
    """

    content: float
    gram_sizes: Tensor
    statistics_mean: Tensor
    statistics_deviation: Tensor

    @property
    def unit(self) -> float:
        """The article's loss of a painting that has nothing of a usual photograph's content, and no other fault."""
        return _ARTICLE.content * self.content


def style_statistics(grams: Sequence[Tensor]) -> Tensor:
    """Returns how strongly each map of the style layers answers, as a logarithm: N x S.

    grams: five of N x C x C. Their diagonals are the mean squares of the maps, over C.
    """
    strengths = [(gram.diagonal(dim1=1, dim2=2) * gram.shape[1]).clamp(min=0).sqrt() for gram in grams]
    return torch.cat(strengths, dim=1).log1p()


def own_layer_weights(grams: Sequence[Tensor], weights: LossWeights, unit: float) -> Tensor:
    """Returns the weights of the layers' relative errors of own styles: S x 5.

    Args:
        grams: of the style pictures, five of S x C x C.
        weights: of the losses.
        unit: of the result, as in `Measures`.
    """
    article = weights.style * gram_sizes(grams) / unit
    least = torch.tensor(LEAST_LAYER_WEIGHTS, device=article.device) * weights.style / _ARTICLE.style
    return torch.maximum(article, least)


def gram_sizes(grams: Sequence[Tensor]) -> Tensor:
    """Returns the mean squares of Gram matrices, five of N x C x C: N x 5."""
    return torch.stack([gram.square().mean(dim=(1, 2)) for gram in grams], dim=1)


def painting_layer_weights(grams: Sequence[Tensor], weights: LossWeights, usual_sizes: Tensor) -> Tensor:
    """Returns the weights of the layers' relative errors of any paintings: N x 5.

    Args:
        grams: of the paintings, five of N x C x C.
        weights: of the losses.
        usual_sizes: float32[5], as in `Measures`.
    """
    layers = torch.tensor(PAINTING_LAYER_WEIGHTS, device=usual_sizes.device) * weights.style / _ARTICLE.style
    return layers * (gram_sizes(grams) / (LEAST_GRAM_SIZE * usual_sizes)).clamp(max=1)


def distance_layer_weights(grams: Sequence[Tensor], before: Sequence[Tensor], weights: LossWeights) -> Tensor:
    """Returns weights with which the style loss is a share of what the unpainted photographs have: N x 5.

    With them, each pair of a painting and a photograph counts alike, however far they are from each other.

    Args:
        grams: of the paintings, five of N x C x C.
        before: of the photographs.
        weights: of the losses.
    """
    sizes = gram_sizes(grams)
    distance = (relative_gram_errors(before, grams).T * sizes).sum(dim=1, keepdim=True)
    return DISTANCE_WEIGHT * weights.style / _ARTICLE.style * sizes / distance


@dataclass(frozen=True)
class Targets:
    """What the paintings of a step should be like.

    Args:
        photos: what the loss network sees in the photographs.
        grams: five of B x C x C, of each one's style.
        layer_weights: B x 5.
        factors: by loss, float32[B]: the factors of each one's style.
        style_chroma: float32[B], of the edges of each one's style.
    """

    photos: Features
    grams: Sequence[Tensor]
    layer_weights: Tensor
    factors: Mapping[str, Tensor]
    style_chroma: Tensor


@dataclass(frozen=True)
class Paintings:
    """What a net made of a step.

    Args:
        painted: B x 3 x H x W in 0..1.
        moved: M x 3 x H x W, of the photographs after the camera motion.
        seen: what the loss network sees in `painted`.
        size_multiple: the net's.
    """

    painted: Tensor
    moved: Tensor
    seen: Features
    size_multiple: int


def painting_losses(paintings: Paintings, targets: Targets, draw: Draw, measures: Measures) -> dict[str, Tensor]:
    """Returns the losses by name, each float32[B], but temporal float32[M] and lattice a scalar.

    style: the weighted sum of the layers' relative errors. content: relative, half to the photograph's own content and
    half to the usual one: a wall must not count for nothing beside a forest. The others have no weights.
    """
    painted = paintings.painted
    wanted = targets.photos.content.float()
    content = (wanted.square().mean(dim=(1, 2, 3)) + measures.content) / 2
    errors = relative_gram_errors(paintings.seen.grams, targets.grams)
    steady = draw.motion.move(painted[draw.picked])
    return {
        "style": (targets.layer_weights * errors.T).sum(dim=1),
        "content": content_loss(paintings.seen.content.float(), wanted) / content,
        "tv": total_variation_loss(painted),
        "fringes": fringe_loss(painted, draw.photos, targets.style_chroma),
        "border": border_loss(painted, draw.photos),
        "flat": flat_places_loss(painted, draw.photos),
        "temporal": temporal_loss(paintings.moved, steady, draw.motion.valid),
        "lattice": lattice_loss(painted, paintings.size_multiple)
        + _FINE_MESH_WEIGHT * lattice_loss(painted, _FINE_MESH),
        "structure": structure_loss(paintings.seen.structure, targets.photos.structure),
    }


def weighted_total(
    losses: Mapping[str, Tensor], targets: Targets, draw: Draw, weights: LossWeights, measures: Measures
) -> Tensor:
    """Returns the weighted sum of the losses in units of `Measures.unit`: a scalar."""
    terms = {
        "style": losses["style"],
        "content": weights.content * losses["content"] / _ARTICLE.content,
        "tv": weights.tv * losses["tv"] / measures.unit,
        "structure": weights.structure * losses["structure"] / measures.unit,
        "fringes": weights.fringes * losses["fringes"] / measures.unit,
        "border": weights.border * losses["border"] / measures.unit,
        "flat": weights.flat * losses["flat"] / measures.unit,
        "temporal": weights.temporal * losses["temporal"] / measures.unit,
    }
    factors = dict(targets.factors)
    factors["temporal"] = factors["temporal"][draw.picked]
    terms["temporal"] = terms["temporal"] * draw.pair_share
    total = torch.stack([mean(factors[name] * term) if name in factors else mean(term) for name, term in terms.items()])
    return total.sum() + weights.lattice * losses["lattice"] / measures.unit


def mean(values: Tensor) -> Tensor:
    """Returns the mean, 0 of no values: a scalar."""
    return values.sum() / max(1, values.numel())
