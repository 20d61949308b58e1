"""How much each loss of a training counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

# What the weights are in, for the metadata of what was trained with them.
LOSS_UNITS = "article: VGG-19 of 0..255 BGR, pixels in 0..255, layers by their own size"


@dataclass(frozen=True)
class LossWeights:
    """The weights of the losses, in the article's units: pixels in 0..255, features and Gram matrices as they are.

    content, style and tv are the article's own. With them, a good painting comes to 3 to 10 million, and so do the
    others' defaults count: `temporal` and `lattice` are of squared levels of 255. `structure` is of
    1 - correlation, 0 for none; 5 million asks for eyes and window rows. `fringes` (of squared shares), `border` (of
    squared deviations) and `flat` (of logarithms) are for base nets alone, 0 for none.

    `contents`, `styles`, `tvs` and `temporals` hold factors of single styles for those losses.
    """

    content: float = 7.5
    style: float = 100.0
    tv: float = 200.0
    temporal: float = 800.0
    lattice: float = 30_000.0
    structure: float = 0.0
    fringes: float = 0.0
    border: float = 0.0
    flat: float = 0.0
    contents: Mapping[str, float] = field(default_factory=dict)
    styles: Mapping[str, float] = field(default_factory=dict)
    tvs: Mapping[str, float] = field(default_factory=dict)
    temporals: Mapping[str, float] = field(default_factory=dict)

    def of(self, style: str) -> LossWeights:
        """Returns what the weights of that style come to, without factors."""
        return replace(
            self,
            content=self.content * self.contents.get(style, 1.0),
            style=self.style * self.styles.get(style, 1.0),
            tv=self.tv * self.tvs.get(style, 1.0),
            temporal=self.temporal * self.temporals.get(style, 1.0),
            contents={},
            styles={},
            tvs={},
            temporals={},
        )


DEFAULT_LOSS_WEIGHTS = LossWeights()
