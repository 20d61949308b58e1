"""Graphs that were made elsewhere: what goes wrong with them, at whatever moment, is one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from realtime.backends import Backend, BackendUnavailableError, Blender, Net, Painter, Vector, reason_in
from realtime.frames import Pixels


class ForeignPainter:
    """A painter of a graph from elsewhere. What it gives back is looked at before anybody uses it.

    Args:
        painter: what paints; closed with this one.
        backend: the name of the backend.
        net: the net.
    """

    def __init__(self, painter: Painter, backend: str, net: Net) -> None:
        self.depth, self.description = painter.depth, painter.description
        # what blends on the device gives back what nobody has looked at
        self.blender: Blender | None = None
        self._painter, self._backend, self._net = painter, backend, net
        self._shapes: list[tuple[int, ...]] = []

    def start(self, frame: Pixels, style: Vector | None) -> None:
        with self._translated():
            self._painter.start(frame, style)
        self._shapes.append(frame.shape)

    def finish(self) -> Pixels:
        expected = self._shapes.pop(0)
        with self._translated():
            painted = self._painter.finish()
        if painted.shape != expected or painted.dtype != np.uint8:
            made = f"{painted.dtype} of {' x '.join(map(str, painted.shape))}"
            raise self._error(f"it makes {made} of frames of {' x '.join(map(str, expected))}; expected uint8 as large")
        return painted

    def close(self) -> None:
        with self._translated():
            self._painter.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except Exception as exc:  # libraries raise almost anything
            raise self._error(reason_in(exc)) from exc

    def _error(self, why: str) -> BackendUnavailableError:
        return BackendUnavailableError(f"backend {self._backend} cannot run {self._net.name!r} here: {why}")


def open_painter(backend: Backend, net: Net, width: int, height: int) -> Painter:
    """Returns a painter of the backend for a net and a frame size; one of a graph from elsewhere is looked after.

    Raises:
        BackendUnavailableError: the backend cannot run the net.
    """
    painter = backend.open(net, width, height)
    return painter if net.weights is not None else ForeignPainter(painter, backend.name, net)


def rehearse(painter: Painter, net: Net, width: int, height: int) -> Painter:
    """Has a painter paint a grey frame, if its net is from elsewhere, and returns it.

    Raises:
        BackendUnavailableError: it cannot paint; it is closed.
    """
    if net.weights is not None or net.style_size:
        return painter
    try:
        painter.start(np.full((height, width, 3), 128, np.uint8), None)
        painter.finish()
    except BackendUnavailableError:
        painter.close()
        raise
    return painter
