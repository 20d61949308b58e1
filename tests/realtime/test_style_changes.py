"""What the loop makes of switches, strength, mirror and the automatic show."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from realtime.frames import Frame, Pixels
from realtime.playlist import Playlist
from realtime.session import Session
from realtime.show import Show
from realtime.stylizer import Stylizer
from tests.realtime.stand_ins import Collector, FewFrames, TypingDisplay, shade, shade_backend

DARK, LIGHT = shade("dark", 0), shade("light", 200)


class TimedFrames(FewFrames):
    """Frames of a file at ten a second by its own clock, however fast they are read."""

    def frames(self):  # type: ignore[no-untyped-def]
        for frame in super().frames():
            yield replace(frame, time=Fraction(frame.index, 10))


def shades_of_show(session: Session, count: int = 30, **options: object) -> list[int]:
    collector = Collector()
    with Stylizer(shade_backend()) as stylizer:
        show = Show(
            TimedFrames(count),
            stylizer,
            [DARK, LIGHT],
            session,
            backend_note="stand-in",
            sinks=[collector],
            **options,  # type: ignore[arg-type]
        )
        show.run()
    assert collector.indices == list(range(count))
    return collector.shades


def test_a_fade_takes_its_time_by_the_clock_of_the_file() -> None:
    shades = shades_of_show(Session(("dark", "light")), display=TypingDisplay({3: "2"}), fade_s=1.0)
    walk = [shade for shade in shades if 0 < shade < 200]
    assert 8 <= len(walk) <= 10
    assert walk == sorted(walk)
    assert shades[-1] == 200


def test_a_cut_shows_the_new_style_on_the_next_frame_that_is_begun() -> None:
    shades = shades_of_show(Session(("dark", "light")), display=TypingDisplay({3: "2"}), fade_s=0.0)
    assert set(shades) == {0, 200}
    # two more were already being painted when the key was pressed
    assert shades.index(200) <= 5


def test_strength_mixes_the_camera_picture_in() -> None:
    shades = shades_of_show(Session(("dark", "light"), style=1, strength=0.5))
    assert shades[10] == (200 + 10) // 2


def test_the_automatic_show_plays_its_list_and_a_key_ends_it() -> None:
    session = Session(("dark", "light"), automatic=True)
    playlist = Playlist(((0, 1.0), (1, 0.5)))
    assert shades_of_show(session, playlist=playlist) == ([0] * 10 + [200] * 5) * 2
    stopped = shades_of_show(session, playlist=playlist, display=TypingDisplay({2: "2"}))
    assert set(stopped[6:]) == {200}


def test_a_mirrored_frame_is_painted_mirrored() -> None:
    seen: list[Pixels] = []

    class HalfLight(FewFrames):
        def frames(self):  # type: ignore[no-untyped-def]
            pixels = np.zeros((48, 64, 3), np.uint8)
            pixels[:, :32] = 255
            yield Frame(pixels, 0, 0.0)

    class Keeper:
        def write(self, pixels: Pixels, frame: Frame) -> None:
            seen.append(pixels)

    with Stylizer(shade_backend()) as stylizer:
        session = Session(("dark",), original=True, mirrored=True)
        Show(HalfLight(1), stylizer, [DARK], session, backend_note="", sinks=[Keeper()]).run()
    assert seen[0][0, 0, 0] == 0
    assert seen[0][0, -1, 0] == 255
