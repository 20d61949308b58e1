"""At which scale the net paints: the governor's choice or that made by hand, once the net is loaded for it."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import replace

from realtime.backends import Net
from realtime.player.governor import Governor
from realtime.session import Session
from realtime.stylize.pipeline import NetPipeline, scaled


class NetScale:
    """`used` is the scale to paint at. A new one is loaded in the background, so that no frame waits for it.

    governor: None where no rate is to be held; the net then paints at full size unless told otherwise by hand.
    """

    def __init__(self, pipeline: NetPipeline, background: Executor, governor: Governor | None) -> None:
        self._pipeline, self._background, self._governor = pipeline, background, governor
        self._net: Net | None = None
        self.used = 1.0

    def begin_anew(self) -> None:
        """Paints at full size for now: another backend may not have the net at another."""
        self._net, self.used = None, 1.0
        if self._governor is not None:
            self._governor.begin_anew()

    def follow(self, session: Session, net: Net, size: tuple[int, int]) -> Session:
        """Returns the session with the scale that is wanted, and says when the governor has changed it."""
        if not session.scaled_by_hand:
            wanted = 1.0 if self._governor is None else self._governor.scale
            if wanted != session.net_scale:
                session = replace(session, net_scale=wanted)
                if self._governor is not None:
                    session = session.noticed(f"net at {100 * wanted:.0f} % for {self._governor.target_fps:.4g} fps")
        if net != self._net:
            self._net, self.used = net, 1.0
        wanted = session.net_scale
        if wanted == self.used:
            return session
        try:
            if self._pipeline.is_ready(net, scaled(size, wanted, net), self._background):
                self.used = wanted
        except Exception as exc:  # whatever a backend raises: the show goes on at the scale that it has
            session = replace(session, net_scale=self.used).noticed(f"no painting at {100 * wanted:.0f} %: {exc}")
            if self._governor is not None and not session.scaled_by_hand:
                self._governor.forbid(wanted)
        return session

    def observe(self, session: Session, now_s: float, idle_s: float) -> None:
        """Tells the governor of a frame that was painted now, before which the loop was idle for `idle_s`."""
        if self._governor is None:
            return
        if session.original or session.frozen or session.scaled_by_hand:
            self._governor.restart()
        else:
            self._governor.observe(now_s, idle_s)
