"""All that a player is built from."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.app.nets import Catalog, OpenNet
from realtime.app.options.table import Options
from realtime.app.show.control_desk import ControlDesk
from realtime.app.show.inputs import OpenInput
from realtime.app.show.target import Target
from realtime.player.refined_style import RefiningPlan
from realtime.sinks.parts import PartTarget
from realtime.sources.base import Source
from realtime.stylize.colors import Coloring

# Without camera and screen nobody can stop the scene, so it ends after this many frames.
_UNWATCHED_SCENE_FRAMES = 180


@dataclass(frozen=True)
class ShowParts:
    """All that a player is built from."""

    options: Options
    catalog: Catalog
    input: OpenInput
    target: Target
    net: OpenNet
    coloring: Coloring
    refining: RefiningPlan | None
    desk: ControlDesk
    part: PartTarget | None = None

    @property
    def source(self) -> Source:
        return self.input.source

    @property
    def is_watched(self) -> bool:
        """Whether somebody sees it, in a window or on a page, and can ask for things."""
        return self.target.watched or self.desk.page is not None

    @property
    def max_frames(self) -> int | None:
        """After how many frames it ends; None for no limit."""
        info, target, wanted = self.source.info, self.target, self.options.source.frames
        unstoppable = info.endless and not self.is_watched and target.file is not None
        if wanted is None and unstoppable and not self.options.on_air.is_on_air:
            return _UNWATCHED_SCENE_FRAMES
        return wanted
