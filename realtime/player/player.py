"""The loop: frames are painted and handed to the screen and the sinks, while commands change how they are painted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from realtime.backends import Backend, BackendUnavailableError
from realtime.player.captures import Captures
from realtime.player.controls import Controls
from realtime.player.feeder import Feeder
from realtime.player.parts import Outcome, PlayerOptions, PlayerOutputs
from realtime.player.status import Status
from realtime.queues import Metronome, RatedSource
from realtime.screen.hud import Readings
from realtime.session import Request, Session, move_split
from realtime.stylize.pipeline import PaintedFrame
from realtime.stylize.stylizer import FrameStylizer

# For how long a kiosk shows the code by which a snapshot is fetched.
_CODE_SHOWN_S = 20.0


class Player:
    """Plays a source once: moves its frames through the stylizer to the screen and the sinks.

    Args:
        source: closed by whoever opened it.
        stylizer: closed by whoever opened it.
        controls: the session to begin with; whoever sends commands sends them there.
        status: what is shown and printed; None for nothing of it.
        outputs: where painted frames go; None for nowhere.
        options: how the source is played; None for the defaults.
    """

    def __init__(
        self,
        source: RatedSource,
        stylizer: FrameStylizer,
        controls: Controls,
        *,
        status: Status | None = None,
        outputs: PlayerOutputs | None = None,
        options: PlayerOptions | None = None,
    ) -> None:
        self._source, self._stylizer, self._controls = source, stylizer, controls
        self._status = status or Status()
        self._outputs, self._options = outputs or PlayerOutputs(), options or PlayerOptions()
        paced = self._options.paced or self._outputs.screen is not None
        self._metronome = Metronome(source.rate) if paced and not source.live else None
        self._feeder = Feeder(source, stylizer, controls, self._options, watched=paced)
        folder, audio = self._outputs.captures or Path.cwd(), self._outputs.audio
        self._captures = Captures(folder, source, audio=audio, replay=self._outputs.replay)
        self._upgrade = self._options.upgrade
        self._shown: PaintedFrame | None = None
        self._finished = 0

    @property
    def saved(self) -> Sequence[Path]:
        """The files that were saved by key so far."""
        return tuple(self._captures.saved)

    def run(self) -> Outcome:
        """Plays to the end of the source, the frame limit or the command that quits.

        Raises what the source and the essential sinks raise.
        """
        started_s = time.monotonic()
        with self._feeder as feeder:
            try:
                for painted in self._painted():
                    self._hand_out(painted)
                    if self._metronome is not None:
                        feeder.net_scale.idled(self._metronome.wait(painted.frame.time))
                    self._present(painted)
                    self._finished += 1
                    if self._options.report is not None:
                        self._options.report(self._finished)
            finally:
                self._controls.notify(self._captures.stop_recording())
            complete = feeder.queue.ended and self._finished == feeder.started
        elapsed_s = time.monotonic() - started_s
        self._pass_on_news()
        return Outcome(
            self._finished,
            elapsed_s,
            feeder.queue.dropped,
            complete,
            saved=self.saved,
            complaints=tuple(self._captures.complaints),
            failures=tuple(self._status.failures),
        )

    def _painted(self) -> Iterator[PaintedFrame]:
        """Yields painted frames until the end or until somebody quits; while none comes, commands are carried out."""
        while not self._controls.session.quitting:
            self._pass_on_news()
            painted = self._feeder.next_painted()
            if painted is not None:
                yield painted
            elif self._feeder.ended:
                return
            else:
                began_s = time.monotonic()
                self._attend()
                self._feeder.net_scale.idled(time.monotonic() - began_s)

    def _hand_out(self, painted: PaintedFrame) -> None:
        """Gives a painted frame to the recording by key and, unless an earlier run has done so, to the sinks."""
        if self._finished >= self._feeder.skipped:
            if self._options.resume_state is not None:
                self._options.resume_state.remember(self._finished + 1, lambda: self._stylizer.kept)
            for sink in self._outputs.sinks:
                sink.write(painted.pixels, painted.frame)
        if complaint := self._captures.record(painted):
            self._controls.notify(complaint)
            self._note_recording()

    def _present(self, painted: PaintedFrame) -> None:
        """Shows a painted frame, takes note of the rate, and carries out what was asked for meanwhile."""
        self._shown = painted
        now_s = time.monotonic()
        self._feeder.net_scale.observe(self._controls.session, now_s)
        if self._status.frame_finished(painted.frame, self._feeder.queue.dropped, now_s):
            self._controls.take_readings(self._readings())
            self._follow_upgrade(painted.frame.size)
        self._attend(wait_ms=1)

    def _attend(self, wait_ms: int = 15) -> None:
        """Draws the screen, takes in what is typed, and carries out the commands."""
        screen, controls = self._outputs.screen, self._controls
        if screen is not None:
            self._draw()
            for character in screen.typed(wait_ms):
                controls.press(character)
            if (share := screen.pointed_at()) is not None:
                controls.send(move_split(share))
        elif controls.session.frozen:
            time.sleep(wait_ms / 1000)
        before, style = controls.session, controls.style
        controls.carry_out(self._fulfil)
        if self._outputs.style_maker is not None:
            self._outputs.style_maker.attend(controls, self._shown)
        if self._outputs.refiner is not None:
            self._outputs.refiner.attend(controls, self._shown)
        if controls.session is before:
            return
        self._follow_session(before)
        is_cut = not self._stylizer.fade_s and controls.style is not style
        if is_cut or controls.session.original != before.original:
            self._feeder.repaint()

    def _draw(self) -> None:
        screen, controls = self._outputs.screen, self._controls
        if screen is None or self._shown is None:
            return
        maker = self._outputs.style_maker
        taken, snapshot = None if maker is None else maker.taken, self._captures.recent_snapshot(_CODE_SHOWN_S)
        readings = replace(
            self._readings(), taken=taken, keys=controls.key_help, snapshot=snapshot if controls.is_kiosk else ""
        )
        screen.show(self._shown, controls.session, readings, controls.style, controls.styles.styles)

    def _readings(self) -> Readings:
        caption, net_scale = self._controls.style.caption, self._feeder.net_scale.used
        return self._status.readings(caption, net_scale, self._captures.recorded_s)

    def _fulfil(self, request: Request) -> str:
        """Does what is asked for once; returns a message for the screen."""
        if request is Request.SNAPSHOT:
            return self._captures.take_snapshot(self._shown)
        if request is Request.REPLAY:
            return self._captures.save_replay()
        maker = self._outputs.style_maker
        if maker is None:
            return "no style can be made here"
        if request is Request.TAKE_BACK_STYLE:
            return maker.take_back(self._controls)
        if request is Request.MAKE_STYLE:
            self._controls.session = maker.toggle_countdown(self._controls.session)
            return ""
        raise NotImplementedError(request)

    def _follow_session(self, before: Session) -> None:
        """Does what a changed session means beyond painting: recording, the stream and silence."""
        controls, audio = self._controls, self._outputs.audio
        controls.notify(self._captures.switch_recording(controls.session.recording))
        self._note_recording()
        if controls.session.on_air != before.on_air:
            self._switch_stream()
        if controls.session.muted == before.muted:
            return
        if audio is not None:
            audio.muted = controls.session.muted
            return
        hint = "with --microphone there is" if self._source.live else "a file's goes with -o and --stream"
        controls.session = replace(controls.session, muted=False).with_notice(f"there is no sound here; {hint}")

    def _switch_stream(self) -> None:
        controls, stream = self._controls, self._outputs.stream
        if stream is not None:
            stream.is_off = not controls.session.on_air
        elif controls.session.on_air:
            text = "there is no stream; start with --stream URL"
            controls.session = replace(controls.session, on_air=False).with_notice(text)

    def _note_recording(self) -> None:
        """Writes into the session whether a recording is running: it may have failed."""
        recording = self._captures.recorded_s is not None
        if recording != self._controls.session.recording:
            self._controls.session = replace(self._controls.session, recording=recording)

    def _pass_on_news(self) -> None:
        news = self._status.news()
        for text in news:
            self._controls.notify(text)
        if news:
            self._controls.take_readings(self._readings())

    def _follow_upgrade(self, size: tuple[int, int]) -> None:
        """Changes over to the better backend once it is ready; until then the status says how far it is."""
        if self._upgrade is None:
            return
        backend = self._upgrade.poll()
        if backend is not None:
            self._change_backend(backend, size)
        if self._upgrade.failure:
            self._report(self._upgrade.failure)
        self._status.upgrade = self._upgrade.status
        if not self._status.upgrade:
            self._upgrade = None

    def _change_backend(self, backend: Backend, size: tuple[int, int]) -> None:
        try:
            self._status.backend = self._feeder.change_backend(backend, size).description
        except BackendUnavailableError as exc:
            self._report(f"{exc}; still painting with {self._status.backend}")
        else:
            self._controls.notify(f"now painting with {self._status.backend}")

    def _report(self, text: str) -> None:
        """Shows and prints what takes nothing from the show."""
        self._controls.notify(text)
        self._status.print_line(text)
