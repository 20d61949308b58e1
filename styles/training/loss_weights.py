"""How much each loss of a training counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class LossWeights:
    """The weights of the losses.

    `contents`, `styles`, `tvs` and `temporals` hold factors of single styles for the losses of those names.
    """

    content: float = 1.0
    style: float = 1.0
    tv: float = 5.0
    temporal: float = 20.0
    lattice: float = 1000.0
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
