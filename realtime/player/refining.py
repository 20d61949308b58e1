"""Refining: a style that was predicted from a picture is trained further while the show goes on, and saved."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import cv2
import numpy as np

from realtime.backends import Vector
from realtime.child_process import ChildProcess
from realtime.frames import Pixels
from realtime.player.controls import Controls
from realtime.player.refined_style import Refined, RefiningPlan, save_refined
from realtime.player.refining_process import RefiningRefused, refine_in_child
from realtime.queues import background_worker
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.pipeline import PaintedFrame
from styles.training.refining_task import RefiningNews, RefiningTask

# A style that is only passed on the way to another is not refined.
_SETTLED_S = 2.0
# How often a frame is handed to the training: soon at first, since it waits for some.
_FRAME_EVERY_S, _FIRST_FRAMES, _FIRST_EVERY_S = 2.0, 4, 0.3
_SHORT_SIDE = 320
# Larger pictures are looked at smaller; the training looks at no more.
_MOST_PIXELS, _LONGEST = 2_000_000, 8
# For how long the HUD says how it ended.
_SAID_FOR_S = 10.0


class Worker(Protocol):
    """What refines, somewhere else; `ChildProcess` is one."""

    pipe: Connection

    def kill(self) -> None:
        """Ends it at once."""


Start = Callable[[RefiningTask], Worker]


def start_refining(task: RefiningTask) -> Worker:
    """Returns the process that refines a style."""
    return ChildProcess(refine_in_child, task, name="refining")


class Refiner:
    """Refines one style after another while a show goes on. A context manager: leaving it ends a training, and saves
    what it has gained. It is a `Reporter` of the show's status.

    Args:
        plan: how styles are refined.
        start: starts what refines.
    """

    failure = ""

    def __init__(self, plan: RefiningPlan, start: Start = start_refining) -> None:
        self._plan, self._start = plan, start
        self._background = background_worker()
        self._run: _Run | None = None
        self._refined: set[str] = set()
        self._seen: tuple[str, float] = ("", 0.0)
        self._said = ""
        self._said_until_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> str:
        """Ends a training that still runs; returns the line that says what became of it, "" if there was none."""
        line = self._end("the show ended") if self._run is not None else ""
        self._background.shutdown(cancel_futures=True)
        return line

    @property
    def status(self) -> str:
        """What is printed: that it began, and how it ended."""
        if self._run is not None:
            return f"refining {self._run.style.name} for {self._plan.minutes:g} min"
        return self._said if time.monotonic() < self._said_until_s else ""

    @property
    def backlog(self) -> str:
        """What is only shown: how far it is."""
        if self._run is None:
            return ""
        news = self._run.news
        return "getting ready" if news is None else f"{100 * news.share:.0f} %, {_better(self._run.gain)}"

    def attend(self, controls: Controls, shown: PaintedFrame | None) -> None:
        """Begins, follows and ends trainings; called between two frames.

        Args:
            controls: of the show; a style that has become better is put in the place of the one before.
            shown: the frame that is on the screen; None if there was none yet.
        """
        session = controls.session
        style = controls.style if not session.mixing and not session.automatic else None
        if self._run is not None:
            if self._run.style.name not in session.style_names:  # taken back: nobody wants it any more
                self._end("it was removed", keep=False)
                return
            if style is None or style.name != self._run.style.name:
                self._end("another style is on")
                return
            self._follow(self._run, controls, shown)
            return
        if style is None or style.picture is None or style.name in self._refined or shown is None:
            return
        now_s = time.monotonic()
        if self._seen[0] != style.name:
            self._seen = style.name, now_s
        if style.is_ready and now_s - self._seen[1] >= _SETTLED_S:
            self._run = _Run(style, self._plan, self._background.submit(_picture_of, style), self._start)

    def _follow(self, run: _Run, controls: Controls, shown: PaintedFrame | None) -> None:
        try:
            better = run.advance(self._background.submit, None if shown is None else shown.frame.pixels)
        except _EndedError as exc:
            self._end(str(exc))
            return
        if better is not None:
            controls.styles.improve(run.style, better)
            run.style = better

    def _end(self, why: str, keep: bool = True) -> str:
        """Ends the training and saves what it has gained, if it is to be kept; returns the line that says so."""
        run, self._run = self._run, None
        if run is None:
            return ""
        run.close()
        self._refined.add(run.style.name)
        early = f" ({why})" if why else ""
        try:
            saved = run.save() if keep else None
        except OSError as exc:
            self._say(f"{run.style.name} was refined, but cannot be saved: {exc.strerror or exc}{early}")
        else:
            if saved is None:
                self._say(f"{run.style.name} was not refined{early}")
            else:
                self._say(f"refined {run.style.name}: {_better(run.gain)}, saved as {saved}{early}")
        return self._said

    def _say(self, text: str) -> None:
        self._said, self._said_until_s = text, time.monotonic() + _SAID_FOR_S


class _EndedError(Exception):
    """A training is over; the text says why it was cut short, "" if it was not."""


class _Run:
    """One training. `style` is what it begins with, and then the best so far."""

    def __init__(self, style: LoadedStyle, plan: RefiningPlan, picture: Future[Pixels], start: Start) -> None:
        self.style, self.gain = style, 0.0
        self.news: RefiningNews | None = None
        self._plan, self._picture, self._start = plan, picture, start
        self._starting: Future[Worker] | None = None
        self._sending: Future[None] | None = None
        self._sent, self._next_s = 0, 0.0
        self._began_s = time.monotonic()
        self._vector: Vector | None = None

    def advance(self, submit: Callable[..., Future[Any]], frame: Pixels | None) -> LoadedStyle | None:
        """Hands a frame on if it is time, and returns a better style if there is one. Raises _EndedError."""
        if self._starting is None and self._picture.done():
            # a new process reads the picture when it is ready to, and so long no frame waits for it
            self._starting = submit(self._start, self._task())
        if self._starting is None or not self._starting.done():
            return None
        try:
            child = self._starting.result()
        except OSError as exc:
            raise _EndedError(f"no process can be started: {exc.strerror or exc}") from exc
        if frame is not None and self._plan.photos is None and time.monotonic() >= self._next_s:
            self._hand_on(submit, child, frame)
        return self._received(child)

    def close(self) -> None:
        """Ends the process at once: it holds nothing that would be lost."""
        if self._starting is not None and not self._starting.cancel():
            self._starting.add_done_callback(_kill_started)

    def save(self) -> Path | None:
        """Writes the best vector as a style of the user's own; returns its file, None if there is none better."""
        if self._vector is None or self.news is None:
            return None
        minutes = (time.monotonic() - self._began_s) / 60
        refined = Refined(self.style, self._vector, self._picture.result(), self.news.steps, minutes)
        return save_refined(refined, self._plan)

    def _task(self) -> RefiningTask:
        weights, vector = self.style.net.weights, self.style.vector
        try:
            picture = self._picture.result()
        except Exception as exc:  # a picture that is gone by now
            raise _EndedError(str(exc)) from exc
        if weights is None or vector is None:
            raise _EndedError("its net has a style of its own")
        return RefiningTask(weights, vector, picture, self._plan.minutes, self._plan.loss_network, self._plan.photos)

    def _hand_on(self, submit: Callable[..., Future[Any]], child: Worker, frame: Pixels) -> None:
        """Sends a small copy of a frame, in the background: the other end may be busy with a step."""
        if self._sending is not None and not self._sending.done():
            return
        self._sending = submit(_send, child, _small(frame))
        self._sent += 1
        self._next_s = time.monotonic() + (_FIRST_EVERY_S if self._sent < _FIRST_FRAMES else _FRAME_EVERY_S)

    def _received(self, child: Worker) -> LoadedStyle | None:
        better = None
        try:
            while child.pipe.poll():
                message = child.pipe.recv()
                if isinstance(message, RefiningRefused):
                    raise _EndedError(message.reason)
                self.news, self.gain = message, max(self.gain, message.gain)
                if message.vector is not None:
                    self._vector = message.vector
                    better = replace(self.style, source=message.vector)
        except (EOFError, OSError) as exc:
            if better is not None:
                return better  # the next call finds the end again
            done = self.news is not None and self.news.share >= 1
            raise _EndedError("" if done else "its process ended unexpectedly") from exc
        return better


def _kill_started(starting: Future[Worker]) -> None:
    if starting.exception() is None:
        starting.result().kill()


def _send(child: Worker, frame: Pixels) -> None:
    child.pipe.send(frame)


def _picture_of(style: LoadedStyle) -> Pixels:
    """Returns the picture of a style, or the middle of a very long one, of two megapixels at most."""
    assert style.picture is not None
    pixels = style.picture()
    longest = _LONGEST * min(pixels.shape[:2])
    top, left = (max(0, side - longest) // 2 for side in pixels.shape[:2])
    pixels = pixels[top : top + longest, left : left + longest]
    height, width = pixels.shape[:2]
    scale = math.sqrt(_MOST_PIXELS / (height * width))
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _small(frame: Pixels) -> Pixels:
    """Returns a copy of a frame that is as large as the training needs it."""
    height, width = frame.shape[:2]
    scale = _SHORT_SIDE / min(height, width)
    if scale >= 1:
        return frame.copy()
    size = round(width * scale), round(height * scale)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _better(gain: float) -> str:
    return f"{100 * gain:.0f} % better"
