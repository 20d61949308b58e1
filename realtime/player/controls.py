"""Turns keys, and whatever else sends commands, into changes of the session and requests to the player."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Self

from realtime.player.style_switcher import StyleSwitcher
from realtime.screen.keyboard import UNREADABLE
from realtime.session import Command, Request, Session, command_for
from realtime.stylize.loaded_style import LoadedStyle


class Controls:
    """The session of a show, and the queue of commands that are still to be carried out on it.

    Commands may be sent from any thread, and in any number: nothing happens before the player carries them out, one by
    one, in the order in which they came. No window is needed.

    Args:
        session: the state at the start.
        styles: what the session's styles are.
    """

    def __init__(self, session: Session, styles: StyleSwitcher) -> None:
        self.styles = styles
        self.session = styles.mixable(session)
        # append and popleft are safe between threads
        self._waiting: deque[Command] = deque()
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
    def style(self) -> LoadedStyle:
        """The style, or the mix of styles, that the session asks for."""
        return self.styles.wanted(self.session)

    def send(self, command: Command) -> None:
        """Puts a command at the end of the queue."""
        self._waiting.append(command)

    def press(self, character: str) -> None:
        """Sends the command of a key; a character that is no key sends nothing.

        That letters of an unknown layout mean nothing here is said once.
        """
        command = command_for(character)
        if command is not None:
            self.send(command)
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
        for _ in range(len(self._waiting)):
            command = self._waiting.popleft()
            if command is Request.RELOAD:
                self.session = self.styles.reload(self.session)
            elif isinstance(command, Request):
                self.notify(fulfil(command))
            else:
                self.session = self.styles.mixable(command(self.session))
