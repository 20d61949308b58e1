"""What a player is put together from, and what it returns: outputs, options, outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from realtime.audio.feed import AudioFeed
from realtime.frames import Frame, Pixels
from realtime.player.engine_upgrade import Upgrade
from realtime.player.governor import Governor
from realtime.player.reaction import Reaction
from realtime.player.refining import Refiner
from realtime.player.style_maker import StyleMaker
from realtime.screen.display import Screen
from realtime.sinks.replay import Replay
from realtime.stylize.colors import Palette


class Sink(Protocol):
    """Takes every painted frame, in order."""

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Takes the painting of a frame, H x W x 3 uint8 RGB, which nobody changes afterwards."""


class StreamSwitch(Protocol):
    """What takes a stream off the air; `realtime.sinks.stream.Stream` is one."""

    is_off: bool


class ResumeState(Protocol):
    """What earlier runs have done of a file; `realtime.sinks.resumable_recorder.ResumableRecorder` is one."""

    @property
    def done(self) -> int:
        """The number of frames that are painted already."""

    @property
    def last_painting(self) -> Pixels | None:
        """What the stabilizer kept of the last of them."""

    def remember(self, count: int, painting: Callable[[], Pixels | None]) -> None:
        """Called with the number of frames, before the sinks get the last of them.

        Args:
            count: of frames that will be done.
            painting: returns what the stabilizer keeps.
        """


@dataclass(frozen=True)
class PlayerOutputs:
    """Where painted frames go.

    Args:
        sinks: all of them get every frame.
        screen: shows the frames and is typed at; None without a window.
        captures: the folder for what is saved by key; None for the current folder.
        replay: the one of the sinks that replays are saved from; None for no replays.
        audio: the sound that is recorded by key and can be muted; None if there is none.
        style_maker: makes styles of what the camera sees; None if none can be made.
        refiner: trains predicted styles further; None if they stay as they are.
        stream: can be taken off the air; None if there is none.
    """

    sinks: Sequence[Sink] = ()
    screen: Screen | None = None
    captures: Path | None = None
    replay: Replay | None = None
    audio: AudioFeed | None = None
    style_maker: StyleMaker | None = None
    refiner: Refiner | None = None
    stream: StreamSwitch | None = None


@dataclass(frozen=True)
class PlayerOptions:
    """How a source is played.

    Args:
        paced: play a file at its own rate also without a screen.
        max_frames: stop after so many; None for no limit.
        governor: holds a frame rate; None if the net always paints at full size.
        upgrade: a better backend on its way; None if there is none.
        resume_state: what earlier runs have done: those frames pass unpainted, and no sink gets them.
        report: called with the number of frames done after each of them.
        palette: the colours of a picture that the session may ask for; None for none.
        reaction: how the show follows its sound; None if it has none.
    """

    paced: bool = False
    max_frames: int | None = None
    governor: Governor | None = None
    upgrade: Upgrade | None = None
    resume_state: ResumeState | None = None
    report: Callable[[int], None] | None = None
    palette: Palette | None = None
    reaction: Reaction | None = None


@dataclass(frozen=True)
class Outcome:
    """How a show went.

    Args:
        frame_count: of painted frames.
        elapsed_s: how long it took.
        dropped: the number of live frames that came too fast.
        complete: whether the source was painted to its end, and not stopped before.
        saved: the files that were saved by key.
        complaints: what could not be saved.
        failures: why sinks ended before the show did, which was printed when it happened.
    """

    frame_count: int
    elapsed_s: float
    dropped: int
    complete: bool
    saved: Sequence[Path] = ()
    complaints: Sequence[str] = ()
    failures: Sequence[str] = ()

    @property
    def fps(self) -> float:
        """Painted frames per second."""
        return self.frame_count / self.elapsed_s if self.elapsed_s else 0.0
