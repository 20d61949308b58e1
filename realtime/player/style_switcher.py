"""Which of the loaded styles a session asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from realtime.backends import BackendUnavailableError
from realtime.player.playlist import Playlist, Turns, every_style
from realtime.session import Session
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.mixing import MixError, weighted_mix


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
        self._playlist, self._plays_all = playlist or every_style(len(styles)), playlist is None
        self._load = load
        self._mixed: tuple[tuple[tuple[int, float], ...], LoadedStyle] | None = None
        self._noted: tuple[tuple[str, float], ...] = ()
        self._automatic_since_s: float | None = None
        self._turns: Turns | None = None
        self._painted: LoadedStyle | None = None
        self._awaited: LoadedStyle | None = None

    def wanted(self, session: Session) -> LoadedStyle:
        """Returns the style, or the mix of styles, that the session asks for. Raises MixError if they do not mix."""
        mix = session.mix
        if len(mix) < 2:
            return self.styles[mix[0][0] if mix else session.style_index]
        if self._mixed is None or self._mixed[0] != mix:
            # only the newest is kept: a slider goes through hundreds
            self._mixed = mix, weighted_mix([(self.styles[index], weight) for index, weight in mix])
        return self._mixed[1]

    def mixable(self, session: Session) -> Session:
        """Returns the session if its styles can be mixed, else with one style, and the reason as a notice.

        Takes note of its playlist.
        """
        self._note_playlist(session)
        try:
            self.wanted(session)
        except MixError as exc:
            return replace(session, mix=session.mix[:1] if session.mixing else ()).with_notice(str(exc))
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

    def _note_playlist(self, session: Session) -> None:
        """Begins with another playlist if the session has one."""
        if session.playlist == self._noted:
            return
        self._noted = session.playlist
        numbers = {name: index for index, name in enumerate(session.style_names)}
        items = tuple((numbers[name], seconds) for name, seconds in session.playlist if name in numbers)
        self._playlist = Playlist(items) if items else every_style(len(self.styles))
        self._automatic_since_s = self._turns = None

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

    def lifted(self, session: Session, style: LoadedStyle, lift: float, beats: int) -> LoadedStyle:
        """Returns a style as a beat makes it: of a mix, one part after the other comes to the fore.

        Args:
            session: says what is mixed.
            style: what is painted with, which is ready.
            lift: how far to the fore, 0..1.
            beats: the number of the beat.
        """
        names = tuple(session.style_names[index] for index, _ in session.mix)
        if not lift or len(names) < 2 or names != style.parts or not style.is_ready:
            return style
        total = sum(weight for _, weight in session.mix)
        first = beats % len(names)
        weights = [
            (1 - lift) * weight / total + (lift if place == first else 0)
            for place, (_, weight) in enumerate(session.mix)
        ]
        return weighted_mix([(self.styles[index], w) for (index, _), w in zip(session.mix, weights, strict=True)])

    def follow_playlist(self, session: Session, at_s: float, on_beat: bool | None = None) -> Session:
        """Returns the session with the style whose turn it is at that moment, if styles change by themselves.

        Args:
            session: as it is.
            at_s: the moment, in seconds.
            on_beat: whether it is a beat, on which alone the style changes; None if it changes by the clock.
        """
        if not session.automatic:
            self._automatic_since_s = self._turns = None
            return session
        index = self._turn(at_s, on_beat)
        if index == session.style_index:
            return session
        return replace(session, style_index=index).with_notice(self.styles[index].name)

    def _turn(self, at_s: float, on_beat: bool | None) -> int:
        """Returns the index of the style of the playlist that is on."""
        if on_beat is None:
            if self._automatic_since_s is None:
                self._automatic_since_s = at_s
            self._turns = None
            return self._playlist.style_at(at_s - self._automatic_since_s)
        if self._turns is None:
            self._turns, self._automatic_since_s = Turns(self._playlist, at_s), None
        return self._turns.style_at(at_s, on_beat)

    def add(self, session: Session, style: LoadedStyle) -> Session:
        """Returns the session with one more style, the last one, which is on."""
        self.styles = [*self.styles, style]
        self._take_turns(session)
        names = (*session.style_names, style.name)
        added = replace(session, style_names=names, style_index=len(names) - 1, mixing=False, mix=(), original=False)
        return replace(added, automatic=False).with_notice(f"a new style: {style.name}")

    def _take_turns(self, session: Session) -> None:
        """Gives all styles their turn if the session has no playlist of its own."""
        if not session.playlist and self._plays_all:
            self._playlist, self._turns = every_style(len(self.styles)), None

    def improve(self, style: LoadedStyle, better: LoadedStyle) -> None:
        """Puts a better version of a style in its place, to which the painting then fades."""
        self.styles = [better if each is style or each.name == better.name else each for each in self.styles]
        self._mixed = None

    def remove(self, session: Session, name: str) -> Session:
        """Returns the session without the style of that name; if it is on, the one before it is on instead."""
        if name not in session.style_names or len(self.styles) < 2:
            return session
        gone = session.style_names.index(name)
        self._mixed = None
        self.styles = [style for index, style in enumerate(self.styles) if index != gone]
        items = [(index - (index > gone), seconds) for index, seconds in self._playlist.items if index != gone]
        self._playlist, self._turns = Playlist(tuple(items)) if items else every_style(len(self.styles)), None
        index = max(0, session.style_index - (session.style_index >= gone))
        names = tuple(style.name for style in self.styles)
        session = replace(session, style_names=names, style_index=index, mixing=False, mix=())
        self._noted = tuple((each, seconds) for each, seconds in session.playlist if each != name)
        return replace(session, playlist=self._noted)

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
        self._playlist, self._turns = Playlist(tuple((names.index(name), s) for name, (_, s) in items)), None
        self.styles = styles
        self._take_turns(session)
        self._mixed = None
        index = names.index(session.style_name)
        session = replace(session, style_names=names, style_index=index, mixing=False, mix=())
        return session.with_notice(f"{len(names)} styles loaded")
