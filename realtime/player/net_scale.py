"""The scale at which the net paints: the brush, or less if the governor wants it so, as soon as the net is loaded."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import replace

from realtime.backends import Net
from realtime.player.governor import Governor
from realtime.session import Session
from realtime.stylize.pipeline import NetPipeline, scaled


class NetScale:
    """`used` is the scale to paint at. The net is loaded for a new one in the background: no frame waits for that.

    Args:
        pipeline: where the nets are.
        background: loads nets.
        governor: holds a frame rate; None to paint with the brush that the session asks for.
    """

    def __init__(self, pipeline: NetPipeline, background: Executor, governor: Governor | None) -> None:
        self.used = 1.0
        self._pipeline, self._background, self._governor = pipeline, background, governor
        self._net: Net | None = None
        self._brush: float | None = None
        self._idle_s = 0.0

    def restart(self) -> None:
        """Begins with the brush again: another backend may not have the net at other scales."""
        self._net, self.used = None, 1.0
        if self._governor is not None:
            self._governor.reset()

    def follow(self, session: Session, net: Net, size: tuple[int, int]) -> Session:
        """Chooses the scale for the next frame; returns the session with it, and with a notice if it has changed.

        Args:
            session: says which brush is asked for.
            net: what paints the next frame.
            size: its width and height.
        """
        session = self._governed(session)
        if net != self._net:
            is_loaded = self._pipeline.is_loaded(net, scaled(size, session.brush, net))
            self._net, self.used = net, session.brush if is_loaded else 1.0
        wanted = session.net_scale
        if wanted == self.used:
            return session
        try:
            if self._pipeline.is_ready(net, scaled(size, wanted, net), self._background):
                self.used = wanted
        except Exception as exc:  # whatever a backend raises: the show goes on at the scale that it has
            session = replace(session, net_scale=self.used)
            session = session.with_notice(f"cannot paint at {100 * wanted:.0f} %: {exc}")
            if wanted == session.brush:
                session = replace(session, brush=self.used)
            elif self._governor is not None:
                self._governor.forbid(wanted)
        return session

    def _governed(self, session: Session) -> Session:
        brush_before, self._brush = self._brush, session.brush
        if self._governor is None:
            return replace(session, net_scale=session.brush)
        self._governor.limit(session.brush)
        wanted = self._governor.scale
        if wanted == session.net_scale:
            return session
        session = replace(session, net_scale=wanted)
        if wanted == session.brush != brush_before:
            return session  # whoever changed the brush said so
        return session.with_notice(f"net at {100 * wanted:.0f} % for {self._governor.target_fps:.4g} fps")

    def idled(self, seconds: float) -> None:
        """Takes note of time in which the loop had nothing to do."""
        self._idle_s += seconds

    def observe(self, session: Session, now_s: float) -> None:
        """Takes note of a frame that was painted by now, on the monotonic clock."""
        idle_s, self._idle_s = self._idle_s, 0.0
        if self._governor is None:
            return
        if session.original or session.frozen:
            self._governor.restart()
        else:
            self._governor.observe(now_s, idle_s)
