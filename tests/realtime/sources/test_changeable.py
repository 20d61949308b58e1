"""A show's source becomes another one in mid-show; what is wrong with the other one leaves the first as it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from realtime.frames import Frame
from realtime.media.decoding import SourceError
from realtime.queues import FrameQueue
from realtime.sources.base import Source
from realtime.sources.changeable import Changeable
from realtime.sources.live import Feeds, open_live
from realtime.sources.network_stream import NetworkOptions
from realtime.sources.open import open_source
from realtime.sources.real_time import RealTime
from tests.realtime.clips import write_clip

SHOW_SIZE = (96, 64)


def other(text: str) -> Source:
    return open_live(text, SHOW_SIZE, NetworkOptions(), Feeds())


@pytest.fixture
def changeable() -> Iterator[Changeable]:
    scene = RealTime(open_source(url="test", size=SHOW_SIZE))
    with Changeable(scene, other) as source:
        yield source


def next_frame(queue: FrameQueue) -> Frame:
    frame = queue.take(10)
    assert frame is not None
    return frame


def black_share(frame: Frame) -> float:
    """Returns how much of the left and right edges is black, as beside what is letterboxed."""
    return float((frame.pixels[:, [0, -1]] == 0).mean())


def test_the_frames_of_another_source_follow_in_the_size_of_the_first(changeable: Changeable, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "square.mp4", 5, size=(64, 64), rate=Fraction(50))
    with FrameQueue(changeable) as queue:
        first = next_frame(queue)
        assert black_share(first) < 1
        assert changeable.change_source(str(clip)) == changeable.source_name
        assert changeable.source_name == str(clip)
        seen = [first]
        while black_share(seen[-1]) < 1 or len(seen) < 20:
            seen.append(next_frame(queue))
            assert len(seen) < 500
    assert {frame.size for frame in seen} == {SHOW_SIZE}
    assert [frame.index for frame in seen] == sorted({frame.index for frame in seen})
    captured = [frame.captured_at_s for frame in seen]
    assert captured == sorted(captured)
    assert seen[-1].index - first.index > 5, "a file is played again and again"
    assert changeable.info.size == SHOW_SIZE


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("photo.jpg", SourceError, "is a photograph; expected a camera, a video file or an address"),
        ("folder", SourceError, "cannot be played in mid-show"),
        ("-", SourceError, "cannot be played in mid-show"),
        ("text.mp4", SourceError, "text.mp4"),
        ("missing.mp4", SourceError, "no file .*missing.mp4"),
        ("no camera of this name", SourceError, "camera"),
        ("http://127.0.0.1:9/none", SourceError, "127.0.0.1"),
    ],
)
def test_what_cannot_be_opened_leaves_the_source_as_it_is(
    name: str, error: type[Exception], reason: str, changeable: Changeable, tmp_path: Path
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.jpg")
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    text = name if "/" in name or ("." not in name and name != "folder") else str(tmp_path / name)
    with FrameQueue(changeable) as queue:
        next_frame(queue)
        with pytest.raises(error, match=reason):
            changeable.change_source(text)
        assert next_frame(queue).index > 0
        assert changeable.source_name == "test"


def test_a_device_is_a_camera_also_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    def opened(camera: str | None = None, **_: object) -> Source:
        asked.append(camera)
        raise SourceError("none of ours")

    monkeypatch.setattr("realtime.sources.live.open_source", opened)
    with pytest.raises(SourceError):
        other("/dev/null")
    assert asked == ["/dev/null"]


def test_a_later_source_that_ends_is_named_and_another_one_is_waited_for(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 3, size=SHOW_SIZE, rate=Fraction(50))

    def once(text: str) -> Source:
        return RealTime(open_source(url=text, size=SHOW_SIZE if text == "test" else None))

    with Changeable(once("test"), once) as source, FrameQueue(source) as queue:
        next_frame(queue)
        source.change_source(str(clip))
        deadline_s = time.monotonic() + 30
        while source.status != f"{clip} has ended":
            time.sleep(0.02)
            assert time.monotonic() < deadline_s
        source.change_source("test")
        index = next_frame(queue).index
        assert next_frame(queue).index > index
        assert source.status == ""


def test_stopping_ends_it_also_while_another_source_is_being_opened() -> None:
    opening, opened = threading.Event(), threading.Event()

    def slow(text: str) -> Source:
        opening.set()
        opened.wait(10)
        return other(text)

    source = Changeable(RealTime(open_source(url="test", size=SHOW_SIZE)), slow)
    changing = threading.Thread(target=source.change_source, args=("test",))
    with source, FrameQueue(source) as queue:
        next_frame(queue)
        changing.start()
        assert opening.wait(10)
    opened.set()
    changing.join(10)
    assert not changing.is_alive()
    assert list(source.frames()) == []


def test_many_changes_in_a_row_end_with_the_last(changeable: Changeable, tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{index}.mp4", 3, size=(64, 64), rate=Fraction(50)) for index in range(3)]
    with FrameQueue(changeable) as queue:
        next_frame(queue)
        for clip in clips:
            changeable.change_source(str(clip))
        end_s = time.monotonic() + 10
        while black_share(next_frame(queue)) < 1:
            assert time.monotonic() < end_s
        assert changeable.source_name == str(clips[-1])
