"""Feeds the stylizer: frames from the source, each in the style whose turn it is and at the scale that is ready."""

from __future__ import annotations

import time
from dataclasses import replace
from types import TracebackType
from typing import Self

from realtime.backends import Backend, Net, Painter
from realtime.frames import Frame, Size
from realtime.player.controls import Controls
from realtime.player.net_scale import NetScale
from realtime.player.parts import PlayerOptions
from realtime.player.reaction import Swell
from realtime.queues import FrameQueue, RatedSource, background_worker
from realtime.session import Session
from realtime.stylize.colors import Palette
from realtime.stylize.pipeline import PaintedFrame, scaled
from realtime.stylize.stylizer import FrameStylizer, Look

# How long a frame is waited for before the commands are looked at again.
_POLL_S = 0.03


class Feeder:
    """Takes frames from a source and has them painted, so that the net never idles.

    A context manager: reading begins on entering and has ended on leaving.

    Args:
        source: what is read.
        stylizer: what paints.
        controls: the session says how; the feeder writes into it what becomes of the style and of the net's scale.
        options: frame limit, governor, and what earlier runs have done.
        watched: whether somebody waits for the frames, so that few are in flight.
    """

    def __init__(
        self, source: RatedSource, stylizer: FrameStylizer, controls: Controls, options: PlayerOptions, *, watched: bool
    ) -> None:
        self.started = 0
        self.queue = FrameQueue(source)
        self._background, self._looking = background_worker(), background_worker()
        self.net_scale = NetScale(stylizer.pipeline, self._background, options.governor)
        self._source, self._stylizer, self._controls, self._watched = source, stylizer, controls, watched
        self._max_frames, self._resume_state = options.max_frames, options.resume_state
        self._palette = options.palette
        self._reaction = options.reaction
        self.skipped = 0 if options.resume_state is None else options.resume_state.done
        self._source_error: Exception | None = None
        controls.session = replace(controls.session, fade_s=stylizer.fade_s)

    def __enter__(self) -> Self:
        self.queue.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reaction is not None:
            self._reaction.close()
        self._background.shutdown(cancel_futures=True)
        self._looking.shutdown(cancel_futures=True)
        self.queue.__exit__(kind, error, trace)

    @property
    def ended(self) -> bool:
        """Whether no frame will be started any more, by the source's end or the frame limit."""
        return self._source_error is None and (self.queue.ended or self.started == self._max_frames)

    def next_painted(self) -> PaintedFrame | None:
        """Returns the next painted frame, None if no frame came for a moment.

        Another frame is started while this one is composed. Raises what the source raises, after its last frame.
        """
        self._fill(_POLL_S)
        if self._stylizer.in_flight:
            self._stylizer.look = self._look()
            return self._stylizer.finish(lambda: self._fill(0))
        if self._source_error is not None:
            raise self._source_error
        return None

    def repaint(self) -> None:
        """Starts the frames in flight again, so that the very next one shows a cut."""
        frames = self._stylizer.withdraw()
        self.started -= len(frames)
        for frame in frames:
            self._start(frame)

    def change_backend(self, backend: Backend, size: tuple[int, int]) -> Painter:
        """Switches to another backend from the next frame on.

        Args:
            backend: what runs the nets from now on.
            size: width and height of the frames.

        Returns the new painter. Raises BackendUnavailableError, and then the old backend stays.
        """
        net = self._controls.style.net
        painter = self._stylizer.change_backend(backend, net, scaled(size, self._controls.session.brush, net))
        self.net_scale.restart()
        return painter

    def _depth(self) -> int:
        """Returns how many frames may be in flight: if somebody waits for them, no more than the next one."""
        if self._source.live:
            return 1
        return 2 if self._watched else self._stylizer.depth

    def _fill(self, patience_s: float) -> None:
        """Starts to paint the frames that are there; waits for one only if none is in flight.

        A live frame never queues behind another one: what is taken later is newer.
        """
        depth = self._depth()
        while self._stylizer.in_flight < depth and self._may_start():
            began_s = time.monotonic()
            try:
                frame = self.queue.take(0 if self._stylizer.in_flight else patience_s)
            except Exception as exc:
                self._source_error = exc
                return
            self.net_scale.idled(time.monotonic() - began_s)
            if frame is None:
                return
            self._start(frame)

    def _may_start(self) -> bool:
        return not self._controls.session.frozen and self.started != self._max_frames

    def _start(self, frame: Frame) -> None:
        controls, at_s = self._controls, self._time_of(frame)
        swell = self._react(at_s)
        session = controls.styles.follow_playlist(controls.session, at_s, swell.on_beat)
        session, style = controls.styles.paintable(
            session, lambda style: self._load(style.net, frame.size, session.brush), self._looking
        )
        controls.session = self.net_scale.follow(session, style.net, frame.size)
        self._stylizer.look, self._stylizer.fade_s = self._look(), session.fade_s
        style = controls.styles.lifted(session, style, swell.lift, swell.beats)
        if self.started >= self.skipped:
            self._stylizer.start(frame, style, at_s, strength=swell.strength)
        else:
            resume_state, is_last = self._resume_state, self.started == self.skipped - 1
            kept = resume_state.last_painting if resume_state is not None and is_last else None
            self._stylizer.skip(frame, style, at_s, kept=kept)
        self.started += 1

    def _react(self, at_s: float) -> Swell:
        """Returns what the sound does to the frame of a moment; that there is no sound is said once."""
        session = self._controls.session
        if self._reaction is None:
            if session.react:
                self._controls.session = replace(session, react=0.0).with_notice("there is no sound to follow here")
            return Swell()
        swell = self._reaction.at(at_s, session.react)
        if self._reaction.deaf and session.react:
            self._controls.session = replace(session, react=0.0).with_notice("there is no sound to follow here")
        return swell

    def _load(self, net: Net, size: Size, brush: float) -> None:
        self._stylizer.painter(net, scaled(size, brush, net))

    def _time_of(self, frame: Frame) -> float:
        """Returns a frame's time in s. A file has a clock of its own: a fade is as long however fast it is painted."""
        return frame.captured_at_s if self._source.live or frame.time is None else float(frame.time)

    def _look(self) -> Look:
        return look_of(self._controls.session, self.net_scale.used, self._palette)


def look_of(session: Session, net_scale: float, palette: Palette | None = None) -> Look:
    """Returns how frames are painted in a session.

    Args:
        session: what is asked for.
        net_scale: the scale that the net is loaded for, above 0 and up to 1.
        palette: the colours of the picture that the session may ask for.
    """
    return Look(
        strength=session.strength,
        keep_colors=session.colors == "source",
        palette=palette if session.colors == "picture" else None,
        mirrored=session.mirrored,
        steadiness=session.steadiness if session.steady else 0.0,
        original=session.original,
        net_scale=net_scale,
    )
