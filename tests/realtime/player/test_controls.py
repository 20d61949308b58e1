"""Commands change the session in the order in which they came, from wherever they came; no window is needed."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from realtime.frames import Frame, Pixels
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOutputs
from realtime.player.player import Player
from realtime.player.style_switcher import StyleSwitcher
from realtime.session import (
    KEYS,
    Command,
    Request,
    Session,
    choose_style,
    quit_show,
    step_strength,
    toggle_muted,
    toggle_original,
    toggle_recording,
)
from realtime.stylize.stylizer import FrameStylizer
from tests.realtime.stand_ins import Collector, FewFrames, controls_of, shade, shade_backend

DARK, LIGHT = shade("dark", 50), shade("light", 200)
NAMES = ("dark", "light")


def test_nothing_happens_before_the_commands_are_carried_out() -> None:
    controls = controls_of(Session(NAMES), DARK, LIGHT)
    controls.press("2")
    assert controls.style is DARK
    controls.carry_out()
    assert controls.style is LIGHT


def test_keys_and_other_senders_are_heeded_in_one_order() -> None:
    controls = controls_of(Session(NAMES), DARK, LIGHT)
    controls.press("2")
    controls.send(toggle_original)
    controls.press("1")
    for _ in range(3):
        controls.send(step_strength(-0.1))
    controls.carry_out()
    session = controls.session
    assert (session.style_index, session.original, session.strength) == (0, False, 0.7)
    controls.send(toggle_original)
    controls.press("2")
    controls.send(toggle_original)
    controls.carry_out()
    assert (controls.session.style_index, controls.session.original) == (1, True)


def test_requests_are_fulfilled_one_by_one_between_the_changes() -> None:
    controls = controls_of(Session(NAMES), DARK, LIGHT)
    for character in "s2sbs":
        controls.press(character)
    seen: list[tuple[Request, int]] = []

    def fulfil(request: Request) -> str:
        seen.append((request, controls.session.style_index))
        return f"did {len(seen)}"

    controls.carry_out(fulfil)
    snapshot, replay = Request.SNAPSHOT, Request.REPLAY
    assert seen == [(snapshot, 0), (snapshot, 1), (replay, 1), (snapshot, 1)]
    assert controls.session.notice == "did 4"
    controls.carry_out(fulfil)
    assert len(seen) == 4, "each is done once"


def test_what_is_sent_meanwhile_waits_for_the_next_time() -> None:
    controls = controls_of(Session(NAMES), DARK, LIGHT)

    def again(session: Session) -> Session:
        controls.send(again)
        return replace(session, strength=session.strength / 2)

    controls.send(again)
    controls.carry_out()
    assert controls.session.strength == 0.5
    controls.carry_out()
    assert controls.session.strength == 0.25


def test_commands_of_many_threads_are_all_carried_out() -> None:
    controls = controls_of(Session(NAMES), DARK, LIGHT)

    def count(session: Session) -> Session:
        return replace(session, notice=str(int(session.notice or "0") + 1))

    def send_many() -> None:
        for _ in range(500):
            controls.send(count)

    threads = [threading.Thread(target=send_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    controls.carry_out()
    assert controls.session.notice == "4000"


def test_styles_that_do_not_mix_are_refused_with_the_reason() -> None:
    other = replace(LIGHT, net=replace(LIGHT.net, name="other"))
    controls = controls_of(Session(NAMES), DARK, other)
    for character in "x2":
        controls.press(character)
    controls.carry_out()
    assert (controls.session.mix, controls.style) == (((0, 1.0),), DARK)
    assert "different nets" in controls.session.notice


def test_the_styles_are_reloaded_in_their_turn() -> None:
    newer = [shade("bright", 255), DARK, LIGHT]
    controls = Controls(Session(NAMES), StyleSwitcher([DARK, LIGHT], load=lambda: newer))
    for character in "2l1":
        controls.press(character)
    controls.carry_out()
    assert controls.session.style_names == ("bright", "dark", "light")
    assert controls.style is newer[0]


def test_every_key_of_the_table_can_be_sent_without_a_window() -> None:
    controls = controls_of(Session(NAMES), DARK, LIGHT)
    for key in KEYS:
        controls.send(key.command)
    controls.carry_out(lambda request: request.value)
    assert controls.session.quitting


# in a show without a window -------------------------------------------------------------------------------------------


class Sending(Collector):
    """A sink that sends commands as it gets frames: `sent[count]` with the frame that comes after so many."""

    def __init__(self, controls: Controls, sent: dict[int, list[Command]]) -> None:
        super().__init__()
        self._controls, self._sent = controls, sent

    def write(self, pixels: Pixels, frame: Frame) -> None:
        count = len(self.got)
        super().write(pixels, frame)
        for command in self._sent.get(count, []):
            self._controls.send(command)


@pytest.mark.parametrize("live", [False, True])
def test_a_show_without_a_window_heeds_commands(live: bool, tmp_path: Path) -> None:
    controls = controls_of(Session(NAMES), DARK, LIGHT)
    sent: dict[int, list[Command]] = {3: [choose_style(1)], 20: [quit_show]}
    sink = Sending(controls, sent)
    gate = threading.Event()
    # a live source waits, or its frames would be over before the first one is painted
    source = FewFrames(200 if live else 40, live=live, between=lambda _index: gate.wait(0.01) if live else None)
    with FrameStylizer(shade_backend()) as stylizer:
        outcome = Player(source, stylizer, controls, outputs=PlayerOutputs(sinks=[sink], captures=tmp_path)).run()
    assert sink.shades[:4] == [50] * 4
    assert sink.shades[6:] == [200] * len(sink.shades[6:])
    assert 21 <= outcome.frame_count <= 24


def test_two_requests_for_a_snapshot_in_a_row_give_two_snapshots(tmp_path: Path) -> None:
    controls = controls_of(Session(NAMES), DARK, LIGHT)
    sink = Sending(controls, {5: [Request.SNAPSHOT, Request.SNAPSHOT], 9: [Request.SNAPSHOT]})
    with FrameStylizer(shade_backend()) as stylizer:
        outcome = Player(
            FewFrames(15), stylizer, controls, outputs=PlayerOutputs(sinks=[sink], captures=tmp_path)
        ).run()
    assert len(outcome.saved) == len(set(outcome.saved)) == 3
    assert sorted(tmp_path.glob("*.png")) == sorted(outcome.saved)


def test_the_session_says_whether_a_recording_runs(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    for folder, records in ((tmp_path / "captures", True), (tmp_path / "taken", False)):
        controls = controls_of(Session(NAMES), DARK, LIGHT)
        seen: list[bool] = []

        class Watching(Sending):
            def write(self, pixels: Pixels, frame: Frame) -> None:
                super().write(pixels, frame)
                seen.append(self._controls.session.recording)  # noqa: B023 - run in this round

        sink = Watching(controls, {5: [toggle_recording], 10: [toggle_recording]})
        with FrameStylizer(shade_backend()) as stylizer:
            outcome = Player(
                FewFrames(15), stylizer, controls, outputs=PlayerOutputs(sinks=[sink], captures=folder)
            ).run()
        assert any(seen[6:10]) is records
        assert not seen[-1] or not records
        assert bool(outcome.saved) is records


def test_where_there_is_no_sound_there_is_nothing_to_mute() -> None:
    controls = controls_of(Session(NAMES), DARK, LIGHT)
    controls.send(toggle_muted)
    with FrameStylizer(shade_backend()) as stylizer:
        Player(FewFrames(3), stylizer, controls).run()
    assert not controls.session.muted
    assert controls.session.notice.startswith("there is no sound here")
