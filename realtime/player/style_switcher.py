"""Which painting of all there are a session asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from realtime.player.playlist import Playlist, every_style
from realtime.session import Session
from realtime.stylize.mixing import MixError, equal_mix
from realtime.stylize.styles import LoadedStyle


class Selection:
    """The paintings of a show, in the order of a session's style names, and the playlist that goes through them.

    reload: returns the paintings anew, as they are on the disk by then.
    """

    def __init__(
        self,
        paintings: Sequence[LoadedStyle],
        playlist: Playlist | None = None,
        reload: Callable[[], Sequence[LoadedStyle]] | None = None,
    ) -> None:
        self.paintings = paintings
        self._playlist = playlist or every_style(len(paintings))
        self._reload = reload
        self._mixes: dict[tuple[int, ...], LoadedStyle] = {}
        self._automatic_since_s: float | None = None

    def wanted(self, session: Session) -> LoadedStyle:
        """Returns the style, or the mix of styles, that is to be painted; raises MixError where they do not mix."""
        mix = session.mix
        if len(mix) < 2:
            return self.paintings[mix[0] if mix else session.style]
        if mix not in self._mixes:
            self._mixes[mix] = equal_mix([self.paintings[place] for place in mix])
        return self._mixes[mix]

    def mixable(self, session: Session) -> Session:
        """Returns the session with what can be mixed of its mix, and with the reason where that is less."""
        try:
            self.wanted(session)
        except MixError as exc:
            return replace(session, mix=session.mix[:1]).noticed(str(exc))
        return session

    def follow_playlist(self, session: Session, at_s: float) -> Session:
        """Returns the session with the style whose turn it is, where styles change by themselves."""
        if not session.automatic:
            self._automatic_since_s = None
            return session
        if self._automatic_since_s is None:
            self._automatic_since_s = at_s
        style = self._playlist.style_at(at_s - self._automatic_since_s)
        if style == session.style:
            return session
        return replace(session, style=style).noticed(self.paintings[style].name)

    def load_anew(self, session: Session) -> Session:
        """Loads the styles anew; where that fails, or the style on show is gone, nothing changes but what is said."""
        if self._reload is None:
            return session
        try:
            paintings = self._reload()
        except Exception as exc:  # whatever is wrong with the files in the folder: the show goes on
            return session.noticed(f"the styles could not be loaded: {exc}")
        names = tuple(painting.name for painting in paintings)
        playing = [self.paintings[style].name for style, _ in self._playlist.items]
        if missing := {session.style_name, *playing} - set(names):
            return session.noticed(f"kept the styles: {', '.join(sorted(missing))} would be missing")
        items = zip(playing, self._playlist.items, strict=True)
        self._playlist = Playlist(tuple((names.index(name), seconds) for name, (_, seconds) in items))
        self.paintings = paintings
        self._mixes.clear()
        place = names.index(session.style_name)
        session = replace(session, style_names=names, style=place, mixing=False, mix=())
        return session.noticed(f"{len(names)} styles loaded")
