"""A kiosk: visitors play, nobody breaks anything, and when they are gone the show is as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from realtime.player.controls import Controls
from realtime.player.kiosk import Kiosk
from realtime.player.style_switcher import StyleSwitcher
from realtime.remote.address import Address
from realtime.remote.server import ServerOptions
from realtime.screen.display import Screen
from realtime.session import KEYS, Request, Session
from realtime.stylize.pipeline import PaintedFrame
from tests.realtime.remote.stage import Ticking, open_stage
from tests.realtime.stand_ins import TypingDisplay, shade

HOME = Session(("dark", "grey", "light"), strength=0.9, automatic=True)


def kiosk(idle_s: float) -> Controls:
    styles = [shade(name, 10) for name in HOME.style_names]
    return Controls(HOME, StyleSwitcher(styles), kiosk=Kiosk(HOME, idle_s))


def test_keys_that_end_record_or_configure_mean_nothing_and_the_help_hides_them() -> None:
    controls, asked = kiosk(1000), set[Request]()
    for key in KEYS:
        for character in key.characters:
            controls.press(character)

    def fulfil(request: Request) -> str:
        asked.add(request)
        return ""

    controls.carry_out(fulfil)
    session = controls.session
    assert not session.quitting
    assert not session.recording
    assert asked == {Request.SNAPSHOT}
    assert (session.hud, session.brush, session.steadiness) == (HOME.hud, HOME.brush, HOME.steadiness)
    labels = [label for label, _ in controls.key_help]
    assert "q or ESC" not in labels
    assert "s" in labels


def test_what_the_page_asks_for_is_not_locked() -> None:
    controls = kiosk(1000)
    controls.set("brush", 0.5)
    controls.ask("quit")
    controls.carry_out()
    assert (controls.session.brush, controls.session.quitting) == (0.5, True)


def test_when_nobody_is_there_the_show_is_as_at_the_start() -> None:
    controls = kiosk(1000)
    for character in "2-cmvvho ":
        controls.press(character)
    controls.set("mix", {"light": 0.5})
    controls.carry_out()
    changed = controls.session
    assert (changed.automatic, changed.frozen, changed.help, len(changed.mix)) == (False, True, True, 2)
    controls._touched_at_s -= 1001
    controls.carry_out()
    back = controls.session
    assert replace(back, notice="", notice_until_s=0.0) == replace(HOME, notice="", notice_until_s=0.0)
    controls.carry_out()
    assert controls.session is back


def test_a_playlist_that_is_on_is_left_alone() -> None:
    away = replace(HOME, style_index=2)
    assert Kiosk(HOME, 1.0).attend(away, 5.0) is away
    assert Kiosk(HOME, 10.0).attend(replace(away, automatic=False), 5.0).automatic is False


def test_a_snapshot_is_fetched_by_the_code_on_the_screen_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code is read from what the window shows, as a phone does; OpenCV's older reader misses one code in 27."""
    monkeypatch.setattr("realtime.remote.server.reachable_host", lambda _address: "127.0.0.1")
    with open_stage(tmp_path, ServerOptions(Address("0.0.0.0", 0))) as stage:
        token = stage.server.guard.token
        stage.ask("/api/commands/snapshot", "POST", Authorization=f"Bearer {token}")
        (saved,) = stage.captures.iterdir()
        display = TypingDisplay()
        screen = Screen(display)
        screen.codes = stage.server.codes
        frame = next(Ticking().frames())
        large = replace(frame, pixels=frame.pixels.repeat(10, axis=0).repeat(10, axis=1))
        assert stage.controls.readings is not None
        readings = replace(stage.controls.readings, snapshot=saved.name)
        style = shade("dark", 50)
        screen.show(PaintedFrame(large, large.pixels), replace(HOME, hud="off"), readings, style, [style])
        link, _, _ = cv2.QRCodeDetectorAruco().detectAndDecode(display.shown[-1])
        base = f"http://127.0.0.1:{stage.server.guard.address.port}/saved/{saved.name}/"
        assert link.startswith(base)
        path = link.removeprefix(stage.url)
        assert token not in link
        fetched = stage.ask(path)
        assert (fetched.status, fetched.body) == (200, saved.read_bytes())
        key = path.rpartition("/")[2]
        for wrong in (f"/saved/{saved.name}/{key[::-1]}", f"/saved/other.png/{key}", f"/api/captures/{saved.name}"):
            assert stage.ask(wrong).status == 401
        assert stage.ask(f"/saved/{saved.name}/{key}", Host="evil.example").status == 403
        screen.show(PaintedFrame(large, large.pixels), replace(HOME, link=True), readings, style, [style])
        readings = replace(readings, snapshot="")
        screen.show(PaintedFrame(large, large.pixels), replace(HOME, link=True), readings, style, [style])
        link, _, _ = cv2.QRCodeDetectorAruco().detectAndDecode(display.shown[-1])
        assert link == stage.server.link
