"""The shapes of the transform nets, as they travel in the metadata of the weights files. Needs no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Stage:
    """A convolution that changes the resolution, then residual blocks.

    Args:
        width: channels after the convolution.
        kernel: of the convolution.
        scale: on the way down the stride, on the way up the factor of the upsampling before the convolution.
        blocks: residual blocks after the convolution.
        skip: add the output of the down stage that has the same resolution.
    """

    width: int
    kernel: int
    scale: int
    blocks: int = 0
    skip: bool = False


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of a transform net, from the camera picture to the painting."""

    name: str
    down: tuple[Stage, ...]
    up: tuple[Stage, ...]
    head_kernel: int
    head_scale: int

    @property
    def size_multiple(self) -> int:
        """Heights and widths that the net takes are multiples of this."""
        return math.prod(stage.scale for stage in self.down)

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> NetworkConfig:
        """Returns the config written by `to_json`. Raises ValueError if the text is something else."""
        try:
            fields = json.loads(text)
            down, up = (tuple(Stage(**stage) for stage in fields.pop(way)) for way in ("down", "up"))
            return cls(down=down, up=up, **fields)
        except (KeyError, TypeError, AttributeError) as exc:
            raise ValueError(f"not a network config: {text[:80]!r}") from exc


CONFIGS: Mapping[str, NetworkConfig] = {
    config.name: config
    for config in (
        # For CPUs: widths are multiples of 16 (one AVX-512 register of floats), most weights work at an eighth of the
        # resolution, and no convolution runs at the full one.
        NetworkConfig(
            name="fast",
            down=(Stage(16, 5, 2), Stage(32, 3, 2, blocks=1), Stage(64, 3, 2, blocks=4)),
            up=(Stage(32, 3, 2, blocks=1, skip=True), Stage(16, 3, 2, skip=True), Stage(16, 3, 1)),
            head_kernel=3,
            head_scale=2,
        ),
        # For GPUs: `fast` grown, twice as wide and one block deeper, so that it begins with what `fast` has learned.
        NetworkConfig(
            name="full",
            down=(Stage(32, 5, 2), Stage(64, 3, 2, blocks=1), Stage(128, 3, 2, blocks=5)),
            up=(Stage(64, 3, 2, blocks=1, skip=True), Stage(32, 3, 2, skip=True), Stage(32, 3, 1)),
            head_kernel=3,
            head_scale=2,
        ),
        # Johnson, Alahi, Fei-Fei 2016, as in the article. Departures: reflection padding and bilinear upsampling in
        # place of zero padding and transposed convolution, which paint frames and checkerboards.
        NetworkConfig(
            name="article",
            down=(Stage(32, 9, 1), Stage(64, 3, 2), Stage(128, 3, 2, blocks=5)),
            up=(Stage(64, 3, 2), Stage(32, 3, 2)),
            head_kernel=9,
            head_scale=1,
        ),
    )
}
