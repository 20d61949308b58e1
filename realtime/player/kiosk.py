"""A show for visitors: after a while without anybody it is as it was at the start, and goes through its playlist."""

from __future__ import annotations

from dataclasses import replace

from realtime.session import Session

DEFAULT_IDLE_S = 60.0


class Kiosk:
    """Brings a show back to its beginning.

    Args:
        home: how it was at the start.
        idle_s: after how many seconds without a key or a command.
    """

    def __init__(self, home: Session, idle_s: float) -> None:
        self._home, self._idle_s = home, idle_s

    def attend(self, session: Session, idle_s: float) -> Session:
        """Returns the session, or the one of the beginning if nobody has been there for long.

        Args:
            session: the newest.
            idle_s: how long nobody has asked for anything, in seconds.
        """
        if idle_s < self._idle_s:
            return session
        home = self._home
        index = session.style_names.index(home.style_name) if home.style_name in session.style_names else 0
        back = replace(
            session,
            # of a playlist that is on already the style stays
            style_index=session.style_index if session.automatic else index,
            automatic=True,
            playlist=home.playlist,
            mixing=False,
            mix=(),
            original=False,
            strength=home.strength,
            # without sound it stays off
            react=session.react and home.react,
            colors=home.colors,
            mirrored=home.mirrored,
            frozen=False,
            framing=False,
            view=home.view,
            split=home.split,
            help=False,
            link=home.link,
        )
        return session if back == session else back
