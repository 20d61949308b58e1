"""The look of a frame as a whole: frames in, painted frames out, several in flight, styles changed by a fade."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Self

from realtime.backends import Backend, Net, Painter
from realtime.frames import Frame, Pixels
from realtime.queues import background_worker
from realtime.stylize.colors import Palette, color_map, recolored
from realtime.stylize.compositing import at_strength, mirrored, with_colors_of
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.mixing import Fader
from realtime.stylize.pipeline import NetPipeline, PaintedFrame
from realtime.stylize.scene_motion import MotionEstimator, SceneMotion
from realtime.stylize.stabilizer import Stabilizer


@dataclass(frozen=True)
class Look:
    """How frames are painted, besides the style.

    Args:
        strength: 0 for the frame itself up to 1 for the painting alone.
        keep_colors: the painting's brightness in the frame's colours.
        palette: the colours of a picture for the painting, unless it keeps those of the frame; None for its own.
        mirrored: swap left and right, of the frame and of its painting.
        steadiness: how firmly the stabilizer holds the painting against flicker, 0..1; 0 turns it off.
        original: pass frames on unpainted.
        net_scale: the share of the frame's width and height at which the net paints, above 0 and up to 1.
    """

    strength: float = 1.0
    keep_colors: bool = False
    mirrored: bool = False
    steadiness: float = 0.0
    original: bool = False
    net_scale: float = 1.0
    palette: Palette | None = None


DEFAULT_LOOK = Look()


@dataclass(frozen=True, eq=False)
class _InFlight:
    """A frame in the pipeline.

    given: as the caller gave it. frame: as it is painted. motion: how the scene has moved; None if nothing is to be
    stabilized. passes: unpainted. kept: what the stabilizer kept of it in an earlier run. strength: its share of that
    of the look.
    """

    given: Frame
    frame: Frame
    motion: Future[SceneMotion | None]
    passes: bool = False
    kept: Pixels | None = None
    strength: float = 1.0


class FrameStylizer:
    """Paints the frames of one source. A context manager.

    `start` up to `depth` frames, then `finish` them in the same order. `look` may be replaced at any time: strength and
    colours hold from the next frame that is finished, all else from the next that is started.

    Args:
        backend: what runs the nets; they are loaded when they are first needed.
        look: how frames are painted, besides the style.
        fade_s: how long the change from one style to another takes, in seconds of the frames' clock; 0 for a cut.
    """

    def __init__(self, backend: Backend, look: Look = DEFAULT_LOOK, *, fade_s: float = 0.0) -> None:
        self.look = look
        self.pipeline = NetPipeline(backend, rehearses=True)
        self._fader = Fader(fade_s)
        self._motion, self._stabilizer = MotionEstimator(), Stabilizer()
        self._background = background_worker()  # motion is estimated while the net paints
        self._in_flight: deque[_InFlight] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the nets; frames in flight are lost."""
        self._in_flight.clear()
        self._background.shutdown(cancel_futures=True)
        self._stabilizer.forget()
        self.pipeline.close()

    def restart(self) -> None:
        """Forgets the frames before: the next one begins another video."""
        self._fader = Fader(self.fade_s)
        self._background.submit(self._motion.forget)
        self._stabilizer.forget()

    @property
    def backend(self) -> Backend:
        """What runs the nets."""
        return self.pipeline.backend

    @property
    def fade_s(self) -> float:
        """How long a change of style takes; 0 for a cut. It may be set at any time."""
        return self._fader.duration_s

    @fade_s.setter
    def fade_s(self, seconds: float) -> None:
        self._fader.duration_s = seconds

    def painter(self, net: Net, size: tuple[int, int]) -> Painter:
        """Returns the painter for frames of `size` (width, height), and loads it if it is new.

        Raises BackendUnavailableError.
        """
        return self.pipeline.painter(net, size)

    def change_backend(self, backend: Backend, net: Net, size: tuple[int, int]) -> Painter:
        """Switches to another backend from the next frame on; see `NetPipeline.change_backend`."""
        return self.pipeline.change_backend(backend, net, size)

    def start(self, frame: Frame, style: LoadedStyle, at_s: float | None = None, *, strength: float = 1.0) -> None:
        """Starts to paint a frame.

        Args:
            frame: not to be changed before it is finished.
            style: another object than before is another style, to which the painting fades.
            at_s: when the frame is shown, on the clock of the fades; default: its time in its file, else its capture.
            strength: how strongly this frame is painted, a share of the strength of the look.
        """
        shown, style = self._shown(frame), self._faded(frame, style, at_s)
        original = self.look.original
        self.pipeline.start(shown, None if original else style, self.look.net_scale, self._fader.under)
        motion = self._background.submit(self._watch, shown.pixels, None if original else style, self.look.steadiness)
        self._in_flight.append(_InFlight(frame, shown, motion, original, strength=strength))

    def skip(self, frame: Frame, style: LoadedStyle, at_s: float | None = None, *, kept: Pixels | None = None) -> None:
        """Passes on, in its turn, a frame that an earlier run has painted: only fades and stabilizer take note of it.

        Args:
            frame: as for `start`.
            style: as for `start`.
            at_s: as for `start`.
            kept: what `kept` was in the earlier run after the last frame that is skipped; None for the ones before.
        """
        shown, style = self._shown(frame), self._faded(frame, style, at_s)
        if self.look.original or not self.look.steadiness:
            kept = None
        self.pipeline.start(shown, None)
        if kept is None:
            motion = self._background.submit(self._watch, shown.pixels, None, 0.0)
        else:
            motion = self._background.submit(self._motion.resume, shown.pixels, style.lineage)
        self._in_flight.append(_InFlight(frame, shown, motion, True, kept))

    def finish(self, meanwhile: Callable[[], None] = lambda: None) -> PaintedFrame:
        """Waits for the oldest frame in flight and returns it painted.

        Args:
            meanwhile: called when the net has finished the frame and what remains is up to the CPU: the moment to start
                the next frame, so that the net does not idle.
        """
        entry = self._in_flight.popleft()
        motion = entry.motion.result()
        if motion is None:
            self._stabilizer.forget()
        elif entry.kept is not None:
            self._stabilizer.resume(motion, entry.kept)
        elif (blender := self.pipeline.blender) is not None:
            painted = self.pipeline.finish(partial(self._stabilizer.finish, blender, motion))
            meanwhile()
            return self._composed(painted, entry.strength)
        painted = self.pipeline.finish()
        meanwhile()
        if entry.passes:
            return painted
        if motion is not None:
            painted = PaintedFrame(painted.frame, self._stabilizer.blend(painted.pixels, motion))
        return self._composed(painted, entry.strength)

    def drain(self) -> Iterator[PaintedFrame]:
        """Finishes all frames in flight."""
        while self._in_flight:
            yield self.finish()

    def withdraw(self) -> Sequence[Frame]:
        """Gives up the frames in flight and returns them, the oldest first, to be started again in another look."""
        frames = [entry.given for entry in self._in_flight]
        for entry in self._in_flight:
            entry.motion.cancel()
        for _ in self.pipeline.drain():
            pass
        self._in_flight.clear()
        return frames

    @property
    def in_flight(self) -> int:
        """The number of frames that were started and not finished."""
        return len(self._in_flight)

    @property
    def depth(self) -> int:
        """How many frames may be in flight."""
        return self.pipeline.depth

    @property
    def kept(self) -> Pixels | None:
        """What the stabilizer keeps of the last painting, H x W x 3 uint8 RGB; None if there is nothing."""
        return self._stabilizer.kept

    def _shown(self, frame: Frame) -> Frame:
        return replace(frame, pixels=mirrored(frame.pixels)) if self.look.mirrored else frame

    def _faded(self, frame: Frame, style: LoadedStyle, at_s: float | None) -> LoadedStyle:
        """Returns the style of a frame at its moment of the fade."""
        if at_s is None:
            at_s = frame.captured_at_s if frame.time is None else float(frame.time)
        return self._fader.towards(style, at_s)

    def _watch(self, pixels: Pixels, style: LoadedStyle | None, steadiness: float) -> SceneMotion | None:
        """Returns how the scene has moved; None if nothing is to be stabilized, or nothing is painted."""
        if steadiness and style is not None:
            return self._motion.watch(pixels, style.lineage, steadiness)
        self._motion.forget()
        return None

    def _composed(self, painted: PaintedFrame, strength: float) -> PaintedFrame:
        """Returns a painting in the colours of the look, and at that share of its strength."""
        pixels, photo = painted.pixels, painted.frame.pixels
        if self.look.keep_colors:
            pixels = with_colors_of(pixels, photo)
        elif self.look.palette is not None:
            pixels = recolored(pixels, color_map(pixels, self.look.palette))
        return PaintedFrame(painted.frame, at_strength(pixels, photo, self.look.strength * strength))
