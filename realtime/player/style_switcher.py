"""Which of the loaded styles a session asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from realtime.backends import BackendUnavailableError
from realtime.player.playlist import Playlist, every_style
from realtime.session import Session
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.mixing import MixError, equal_mix


class StyleSwitcher:
    """The styles of a show, in the order of `Session.style_names`, and the playlist that goes through them.

    Args:
        styles: at least one.
        playlist: for styles that change by themselves; default: all of them in turn.
        load: loads the styles again, as they are on the disk by then; None if they cannot change.
    """

    def __init__(
        self,
        styles: Sequence[LoadedStyle],
        playlist: Playlist | None = None,
        load: Callable[[], Sequence[LoadedStyle]] | None = None,
    ) -> None:
        self.styles = styles
        self._playlist = playlist or every_style(len(styles))
        self._load = load
        self._mixes: dict[tuple[int, ...], LoadedStyle] = {}
        self._automatic_since_s: float | None = None
        self._painted: LoadedStyle | None = None
        self._awaited: LoadedStyle | None = None

    def wanted(self, session: Session) -> LoadedStyle:
        """Returns the style, or the mix of styles, that the session asks for. Raises MixError if they do not mix."""
        mix = session.mix
        if len(mix) < 2:
            return self.styles[mix[0] if mix else session.style_index]
        if mix not in self._mixes:
            self._mixes[mix] = equal_mix([self.styles[index] for index in mix])
        return self._mixes[mix]

    def mixable(self, session: Session) -> Session:
        """Returns the session if its styles can be mixed, else with one style, and the reason as a notice."""
        try:
            self.wanted(session)
        except MixError as exc:
            return replace(session, mix=session.mix[:1]).with_notice(str(exc))
        return session

    def paintable(
        self, session: Session, load_net: Callable[[LoadedStyle], object], background: Executor
    ) -> tuple[Session, LoadedStyle]:
        """Returns the session with the style to paint with now: the one that it asks for, or the one before.

        A picture is looked at in the background, and the style before is painted with meanwhile. If the style cannot
        be painted with, the session goes back to the one before, and a notice says why.

        Args:
            session: what is asked for.
            load_net: loads the net of a style unless it is loaded; raises BackendUnavailableError.
            background: looks at pictures.

        Raises what is wrong with the style if there is none before to go back to.
        """
        style, last = self.wanted(session), self._painted
        try:
            if last is not None and not self._is_ready(style, background):
                return session, last
            style.make_ready()
            if last is None or style.net != last.net:
                load_net(style)
        except Exception as exc:  # whatever is wrong with a picture or a backend: the show goes on
            back = self._index_by_net_of(last)
            if last is None or back is None:
                raise
            # of a playlist, a picture that is damaged is passed over
            automatic = session.automatic and not isinstance(exc, BackendUnavailableError)
            back_to = replace(session, style_index=back, mix=(), automatic=automatic).with_notice(str(exc))
            return back_to, self.wanted(back_to)
        self._painted = style
        return session, style

    def _is_ready(self, style: LoadedStyle, background: Executor) -> bool:
        """Whether a style can be painted with at once; if not, it is made ready in the background."""
        if style.is_ready:
            self._awaited = None
            return True
        if style is not self._awaited:
            self._awaited = style
            background.submit(style.make_ready)
        return False

    def _index_by_net_of(self, last: LoadedStyle | None) -> int | None:
        """Returns the index of that style or, if it was a mix, of another style that the same net paints."""
        kin = [index for index, style in enumerate(self.styles) if last is not None and style.net == last.net]
        return next((index for index in kin if self.styles[index] is last), kin[0] if kin else None)

    def follow_playlist(self, session: Session, at_s: float) -> Session:
        """Returns the session with the style whose turn it is at that moment, if styles change by themselves."""
        if not session.automatic:
            self._automatic_since_s = None
            return session
        if self._automatic_since_s is None:
            self._automatic_since_s = at_s
        index = self._playlist.style_at(at_s - self._automatic_since_s)
        if index == session.style_index:
            return session
        return replace(session, style_index=index).with_notice(self.styles[index].name)

    def add(self, session: Session, style: LoadedStyle) -> Session:
        """Returns the session with one more style, the last one, which is on."""
        self.styles = [*self.styles, style]
        names = (*session.style_names, style.name)
        added = replace(session, style_names=names, style_index=len(names) - 1, mixing=False, mix=(), original=False)
        return replace(added, automatic=False).with_notice(f"a new style: {style.name}")

    def remove(self, session: Session, name: str) -> Session:
        """Returns the session without the style of that name; if it is on, the one before it is on instead."""
        if name not in session.style_names or len(self.styles) < 2:
            return session
        gone = session.style_names.index(name)
        self._mixes.clear()
        self.styles = [style for index, style in enumerate(self.styles) if index != gone]
        items = [(index - (index > gone), seconds) for index, seconds in self._playlist.items if index != gone]
        self._playlist = Playlist(tuple(items)) if items else every_style(len(self.styles))
        index = max(0, session.style_index - (session.style_index >= gone))
        names = tuple(style.name for style in self.styles)
        return replace(session, style_names=names, style_index=index, mixing=False, mix=())

    def reload(self, session: Session) -> Session:
        """Loads the styles again; if that fails, or a style in use is gone, all stays as it is but for a notice."""
        if self._load is None:
            return session
        try:
            styles = self._load()
        except Exception as exc:  # whatever is wrong with the files in the folder: the show goes on
            return session.with_notice(f"the styles could not be loaded: {exc}")
        names = tuple(style.name for style in styles)
        playing = [self.styles[index].name for index, _ in self._playlist.items]
        if missing := {session.style_name, *playing} - set(names):
            return session.with_notice(f"kept the styles: {', '.join(sorted(missing))} would be missing")
        items = zip(playing, self._playlist.items, strict=True)
        self._playlist = Playlist(tuple((names.index(name), seconds) for name, (_, seconds) in items))
        self.styles = styles
        self._mixes.clear()
        index = names.index(session.style_name)
        session = replace(session, style_names=names, style_index=index, mixing=False, mix=())
        return session.with_notice(f"{len(names)} styles loaded")
