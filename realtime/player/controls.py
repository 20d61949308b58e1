"""Turns keys, and whatever else sends commands, into changes of the session and requests to the player."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Self

from realtime.player.kiosk import Kiosk
from realtime.player.style_switcher import StyleSwitcher
from realtime.queues import Bucket, BusyError, Mailbox
from realtime.screen.hud import Readings
from realtime.screen.keyboard import UNREADABLE
from realtime.session import (
    CHOOSING,
    Action,
    Command,
    Control,
    Request,
    Session,
    find_action,
    find_control,
    key_for,
    key_help,
    learned_by,
    set_learn,
)
from realtime.stylize.loaded_style import LoadedStyle

# What comes from outside is refused if that many commands wait; keys are not.
_MOST_WAITING = 200
# How many files those may ask for who are not at the keys: at once, and a second on average.
_FILES_AT_ONCE, _FILES_A_SECOND = 10, 2


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A command that waits, and where to put the message about it once it is carried out."""

    command: Command
    done: Future[str]

    def answer(self, message: str) -> None:
        """Passes the message on, unless nobody waits for it any more."""
        if self.done.set_running_or_notify_cancel():
            self.done.set_result(message)


class Controls:
    """The session of a show, and the queue of commands that are still to be carried out on it.

    Commands may be sent from any thread, and in any number: nothing happens before the player carries them out, one by
    one, in the order in which they came. No window is needed. The session and the readings may be read from any thread.

    Args:
        session: the state at the start.
        styles: what the session's styles are.
        kiosk: brings the show back to its beginning while nobody is there, and then keys that end, record or configure
            mean nothing; None for no kiosk.

    `readings`: what the HUD shows, renewed now and then; None before the first frame.
    """

    def __init__(self, session: Session, styles: StyleSwitcher, *, kiosk: Kiosk | None = None) -> None:
        self.styles, self._kiosk = styles, kiosk
        self._touched_at_s = time.monotonic()
        self.readings: Readings | None = None
        self._observers: tuple[Callable[[], object], ...] = ()
        self._session = styles.mixable(session)
        self._waiting: Mailbox[_Waiting] = Mailbox(_MOST_WAITING)
        self._files = Bucket(_FILES_A_SECOND, _FILES_AT_ONCE)
        self._has_explained_layout = False

    @classmethod
    def of_one_style(cls, style: LoadedStyle, steadiness: float = 0.0) -> Self:
        """Returns the controls of a show in one style.

        Args:
            style: what is painted with.
            steadiness: of the stabilizer, 0..1; 0 turns it off.
        """
        session = Session((style.name,), steady=steadiness > 0, steadiness=steadiness)
        return cls(session, StyleSwitcher([style]))

    @property
    def session(self) -> Session:
        """The newest state; only the player's thread sets it."""
        return self._session

    @session.setter
    def session(self, session: Session) -> None:
        if session != self._session:
            self._session = session
            self._notify_observers()

    def observe(self, changed: Callable[[], object]) -> Callable[[], None]:
        """Has a function called whenever there is a new session or new readings; returns what ends that.

        Args:
            changed: called in the player's thread, so it must return at once, and must not raise: it sets an event.
        """
        self._observers = (*self._observers, changed)

        def end() -> None:
            self._observers = tuple(each for each in self._observers if each is not changed)

        return end

    def take_readings(self, readings: Readings) -> None:
        """Renews the readings."""
        self.readings = readings
        self._notify_observers()

    def _notify_observers(self) -> None:
        for changed in self._observers:
            changed()

    @property
    def is_kiosk(self) -> bool:
        """Whether keys that end, record or configure mean nothing."""
        return self._kiosk is not None

    @property
    def key_help(self) -> Sequence[tuple[str, str]]:
        """The keys that mean something, and what; for people."""
        return key_help(self.session.remapped, locked=self.is_kiosk)

    @property
    def style(self) -> LoadedStyle:
        """The style, or the mix of styles, that the session asks for."""
        return self.styles.wanted(self.session)

    def send(self, command: Command) -> None:
        """Puts a command at the end of the queue."""
        self._waiting.put(_Waiting(command, Future()))

    def set(self, name: str, value: object) -> Future[str]:
        """Sets a control; of values that come faster than frames the newest counts.

        Args:
            name: of the control.
            value: from outside, of any type.

        Returns the notice that its change gives once it is carried out.

        Raises:
            ControlError: there is no such control, or the value is not valid.
            BusyError: too many commands wait, or write files.
        """
        control = find_control(name)
        change = control.setting(value, self.session)
        self._check_files(control)
        # weights of different styles do not replace each other
        parts = sorted(map(str, value)) if isinstance(value, dict) else []
        return self._ask(change, " ".join([name, *parts]))

    def ask(self, name: str) -> Future[str]:
        """Asks for an action.

        Args:
            name: of the action.

        Returns the message about it once it is done, "" for none.

        Raises:
            ControlError: there is no such action.
            BusyError: too many commands wait, or write files.
        """
        action = find_action(name)
        self._check_files(action)
        return self._ask(action.command)

    def _check_files(self, row: Control | Action) -> None:
        if row.on_disk and not self._files.take():
            raise BusyError(f"too many files; expected at most {_FILES_A_SECOND} a second")

    def _ask(self, command: Command, key: str = "") -> Future[str]:
        self._touched_at_s = time.monotonic()
        waiting = _Waiting(command, Future())
        replaced = self._waiting.put(waiting, key, refuse=True)
        if replaced is not None:
            replaced.answer("")
        return waiting.done

    def press(self, character: str) -> None:
        """Sends the command of a key; a character that is no key sends nothing.

        That letters of an unknown layout mean nothing here is said once.
        """
        key = key_for(character, self.session.remapped)
        if key is not None:
            self._touched_at_s = time.monotonic()
            if not (self.is_kiosk and key.locked):
                choosing = self.session.midi and self.session.learn == CHOOSING and key.name not in ("learn", "quit")
                self.send(set_learn(learned_by(key)) if choosing else key.command)
        elif character == UNREADABLE and not self._has_explained_layout:
            self._has_explained_layout = True
            self.notify("keys are Latin letters here: switch the layout of your keyboard")

    def notify(self, text: str) -> None:
        """Shows a message on the screen; '' shows nothing."""
        if text:
            self.session = self.session.with_notice(text)

    def carry_out(self, fulfil: Callable[[Request], str] = lambda request: f"cannot {request.value} here") -> None:
        """Carries out the commands that wait.

        Args:
            fulfil: does what is asked for once, and returns a message for the screen, '' for none.
        """
        # what comes meanwhile waits for the next time, so that nobody can keep the player from its frames
        for waiting in self._waiting.take_all():
            waiting.answer(self._carry_out(waiting.command, fulfil))
        if self._kiosk is not None:
            self.session = self._kiosk.attend(self.session, time.monotonic() - self._touched_at_s)

    def _carry_out(self, command: Command, fulfil: Callable[[Request], str]) -> str:
        before = self.session
        if command is Request.RELOAD:
            self.session = self.styles.reload(before)
        elif isinstance(command, Request):
            message = fulfil(command)
            self.notify(message)
            return message
        else:
            self.session = self.styles.mixable(command(before))
        return self.session.notice if self.session.notice_until_s != before.notice_until_s else ""
