"""A camera or stream that stalls, breaks off or changes is waited for, reported, and shown again when it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from realtime.frames import Frame, Pixels, letterboxed
from realtime.media.decoding import SourceError
from realtime.queues import FrameQueue
from realtime.sources import camera_list as cameras
from realtime.sources import network_stream
from realtime.sources import reconnecting as recovery
from realtime.sources.camera import CameraSource
from realtime.sources.camera_list import CameraDevice
from realtime.sources.open import open_source
from realtime.sources.reconnecting import Reconnecting
from tests.realtime.clips import SIZE, colourful, number_of, numbered, write_clip
from tests.realtime.conftest import NstLive
from tests.realtime.servers import HOST, TcpStream

PATIENCE_S = 60
RATE = Fraction(25)


def clip_of(folder: Path, size: tuple[int, int] = SIZE, count: int = 300) -> Path:
    """Returns a clip that can be joined anywhere."""
    options = {"g": "5", "tune": "zerolatency"}
    path = folder / f"clip-{size[0]}.ts"
    return write_clip(path, count, size=size, rate=RATE, draw=colourful, codec_options=options)


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[TcpStream]:
    """A server on this machine that streams a clip."""
    with TcpStream(clip_of(tmp_path)) as sender:
        yield sender


class Viewer:
    """Reads a source through its queue, as the player does."""

    def __init__(self, source: Reconnecting) -> None:
        self.source = source
        self.queue = FrameQueue(source)
        self.frames: list[Frame] = []

    def __enter__(self) -> Viewer:
        self.queue.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.queue.__exit__(None, None, None)
        self.source.__exit__(None, None, None)

    def see(self, count: int) -> list[Frame]:
        """Returns `count` new frames."""
        begin = len(self.frames)
        self.until(lambda: len(self.frames) >= begin + count)
        return self.frames[begin:]

    def until(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline_s, self.source.status
            frame = self.queue.take(0.05)
            if frame is not None:
                self.frames.append(frame)


def viewer(url: str) -> Viewer:
    source = open_source(url=url)
    assert isinstance(source, Reconnecting)
    return Viewer(source)


def test_a_stream_that_is_cut_is_reported_waited_for_and_shown_again(stream: TcpStream) -> None:
    with viewer(stream.url) as show:
        show.see(5)
        assert show.source.status == ""
        stream.cut()
        show.until(lambda: show.source.status == f"{stream.url} lost, waiting")
        time.sleep(0.5)
        stream.start()
        after = show.see(5)
        assert show.source.status == ""
    indices = [frame.index for frame in show.frames]
    assert indices == sorted(set(indices)), "no frame is shown twice, and none comes too late"
    assert {frame.size for frame in after} == {SIZE}


def test_a_stream_that_comes_back_in_another_size_keeps_its_first_size(stream: TcpStream, tmp_path: Path) -> None:
    with viewer(stream.url) as show:
        show.see(3)
        stream.cut()
        show.until(lambda: bool(show.source.status))
        stream.start(clip_of(tmp_path, size=(48, 96)))
        after = show.see(5)
    assert {frame.size for frame in after} == {SIZE}
    # it is taller than wide, so there is a black bar of 24 pixels on either side
    pixels = after[-1].pixels
    assert pixels[:, :18].max() < 20
    assert pixels[:, -18:].max() < 20
    assert pixels[:, 22:42].mean() > 60


def test_a_stream_that_stalls_is_reported_before_it_is_given_up(
    stream: TcpStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_STALL_S", 0.5)
    with viewer(stream.url) as show:
        show.see(3)
        stream.flowing.clear()
        show.until(lambda: show.source.status == f"no frame from {stream.url}, waiting")
        stream.flowing.set()
        show.until(lambda: show.source.status == "")
        show.see(3)


def test_a_stream_that_stalls_for_good_is_opened_again(stream: TcpStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_stream, "_READ_TIMEOUT_S", 0.7)
    with viewer(stream.url) as show:
        show.see(3)
        stream.flowing.clear()
        show.until(lambda: show.source.status == f"{stream.url} lost, waiting")
        stream.flowing.set()
        show.see(3)


def test_waiting_for_a_stream_can_be_stopped(stream: TcpStream) -> None:
    with viewer(stream.url) as show:
        show.see(3)
        stream.cut()
        show.until(lambda: show.source.status.endswith(" lost, waiting"))
    assert not [thread for thread in threading.enumerate() if thread.name == "source"]


def test_a_stream_that_never_worked_is_an_error_and_is_not_waited_for() -> None:
    with pytest.raises(SourceError, match="Connection refused"):
        open_source(url=f"tcp://{HOST}:1")


def test_a_run_survives_an_outage_of_five_seconds(
    stream: TcpStream, identity: Path, tmp_path: Path, nst_live: NstLive
) -> None:
    seen_some, done = threading.Event(), threading.Event()

    def outage() -> None:
        seen_some.wait(1.5)
        stream.cut()
        done.wait(5)
        stream.start()

    trouble = threading.Thread(target=outage)
    trouble.start()
    result = nst_live("-i", stream.url, "--style", identity, "--no-window", "-o", "seen.mkv", "--frames", "120")
    done.set()
    trouble.join()
    assert result.code == 0, result.err
    lines = result.err.splitlines()
    assert f"{stream.url} lost, waiting" in lines
    assert lines[-1].startswith("painted 120 frames into seen.mkv")


# cameras --------------------------------------------------------------------------------------------------------------


class FakeCapture:
    """Stands for OpenCV's capture of a device: gives what `script` says, frame by frame; then it is unplugged."""

    scripts: list[list[Pixels | None]]

    def __init__(self, *_device: object) -> None:
        self._script = iter(self.scripts.pop(0)) if self.scripts else None

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self._script is not None

    def read(self) -> tuple[bool, Pixels | None]:
        assert self._script is not None
        pixels = next(self._script, None)
        return pixels is not None, pixels

    def get(self, what: int) -> float:
        known = {cv2.CAP_PROP_FRAME_WIDTH: SIZE[0], cv2.CAP_PROP_FRAME_HEIGHT: SIZE[1], cv2.CAP_PROP_FPS: 25}
        return float(known.get(what, 0))

    def set(self, *_: Any) -> bool:
        return True

    def release(self) -> None:
        self._script = None


@pytest.fixture
def unreliable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Reconnecting]:
    """Returns `unreliable(script, script …)`: a camera that plays one script each time it is opened."""
    (tmp_path / "v4l" / "video0").mkdir(parents=True)
    (tmp_path / "v4l" / "video0" / "name").write_text("Cheap Camera")
    listed = cameras.list_cameras
    monkeypatch.setattr(cameras, "list_cameras", lambda: listed(tmp_path / "v4l"))
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(recovery, "_FIRST_PAUSE_S", 0.01)

    def opened(*scripts: list[Pixels | None]) -> Reconnecting:
        monkeypatch.setattr(FakeCapture, "scripts", [list(script) for script in scripts], raising=False)
        source = open_source()
        assert isinstance(source, Reconnecting)
        return source

    return opened


def first_frames(source: Reconnecting, count: int) -> list[Frame]:
    frames = []
    for frame in source.frames():
        frames.append(frame)
        if len(frames) == count:
            break
    source.__exit__(None, None, None)
    return frames


def test_what_a_camera_really_gives_is_reported(unreliable: Callable[..., Reconnecting]) -> None:
    assert unreliable([numbered(0)]).info.notes == ("camera 0 (Cheap Camera) /dev/video0 gives 64x48 at 25 fps",)


def test_a_size_that_a_camera_refuses_is_reported(unreliable: Callable[..., Reconnecting]) -> None:
    unreliable([numbered(0)], [numbered(1)])
    source = open_source(size=(1920, 1080))
    assert source.size == SIZE
    (note,) = source.info.notes
    assert note == "camera 0 (Cheap Camera) /dev/video0 gives 64x48 at 25 fps, not 1920x1080 as requested"


class ManySizes(FakeCapture):
    """A camera with two sizes, the larger one compressed and slower."""

    def __init__(self, *_device: object) -> None:
        self._script = iter([])
        self._wanted: dict[int, float] = {}

    def set(self, *what: Any) -> bool:
        self._wanted[what[0]] = what[1]
        return True

    def get(self, what: int) -> float:
        large = self._wanted.get(cv2.CAP_PROP_FRAME_WIDTH, 0) >= 1280
        given = (1280, 720, 15) if large else (640, 480, 29.97)
        known = dict(zip((cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS), given, strict=True))
        known[cv2.CAP_PROP_FOURCC] = self._wanted.get(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"YUYV"))
        return float(known.get(what, 0))


def test_cameras_are_listed_with_the_sizes_and_rates_they_give(
    unreliable: Callable[..., Reconnecting], monkeypatch: pytest.MonkeyPatch, nst_live: NstLive
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", ManySizes)
    monkeypatch.setattr("realtime.app.listings.list_cameras", cameras.list_cameras)
    result = nst_live("--list-cameras")
    assert result.code == 0
    wanted = "0 (Cheap Camera) /dev/video0: 640x480 at 29.97 fps (YUYV), 1280x720 at 15 fps (MJPG)\n"
    assert result.out == wanted


def test_a_camera_that_is_in_use_is_listed_as_such(
    unreliable: Callable[..., Reconnecting], monkeypatch: pytest.MonkeyPatch, nst_live: NstLive
) -> None:
    monkeypatch.setattr(FakeCapture, "scripts", [], raising=False)
    monkeypatch.setattr("realtime.app.listings.list_cameras", cameras.list_cameras)
    result = nst_live("--list-cameras")
    assert result.out == "0 (Cheap Camera) /dev/video0: cannot be opened; is another program using it?\n"


def test_empty_frames_of_a_camera_are_skipped(unreliable: Callable[..., Reconnecting]) -> None:
    nothing = np.empty((0, 0, 3), np.uint8)
    source = unreliable([numbered(0), nothing, None, numbered(1), None, nothing, numbered(2)])
    assert [number_of(frame.pixels) for frame in first_frames(source, 3)] == [0, 1, 2]


def test_a_camera_that_stops_giving_frames_is_opened_again(unreliable: Callable[..., Reconnecting]) -> None:
    source = unreliable([numbered(0), numbered(1)], [numbered(2), numbered(3)])
    frames = first_frames(source, 4)
    assert [number_of(frame.pixels) for frame in frames] == [0, 1, 2, 3]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]


def test_a_camera_that_changes_its_size_is_letterboxed_into_the_first(unreliable: Callable[..., Reconnecting]) -> None:
    wide = np.full((48, 128, 3), 200, np.uint8)
    frames = first_frames(unreliable([numbered(0), wide, numbered(2)]), 3)
    assert [frame.size for frame in frames] == [SIZE] * 3
    assert (frames[1].pixels[:12] == 0).all(), "a wider frame is between black bars"
    assert (frames[1].pixels[12:36] == 200).all()
    assert number_of(frames[2].pixels) == 2


def test_a_camera_that_is_plugged_in_elsewhere_is_found_by_its_name(
    unreliable: Callable[..., Reconnecting], tmp_path: Path
) -> None:
    source = unreliable([numbered(0)], [numbered(1)])
    (tmp_path / "v4l" / "video0").rename(tmp_path / "v4l" / "video4")
    frames = first_frames(source, 2)
    assert [number_of(frame.pixels) for frame in frames] == [0, 1]


def test_a_camera_is_not_replaced_by_another_one_that_has_its_number(
    unreliable: Callable[..., Reconnecting], tmp_path: Path
) -> None:
    source = unreliable([numbered(0)], [numbered(1)])
    (tmp_path / "v4l" / "video0").rename(tmp_path / "away")
    (tmp_path / "v4l" / "video0").mkdir()
    (tmp_path / "v4l" / "video0" / "name").write_text("Camera of the room")
    with Viewer(source) as show:
        show.until(lambda: bool(show.source.status))
        time.sleep(1)
        assert len(FakeCapture.scripts) == 1, "the other camera is not opened"
        (tmp_path / "away").rename(tmp_path / "v4l" / "video2")
        show.until(lambda: len(show.frames) == 2)
        assert number_of(show.frames[1].pixels) == 1


def test_a_camera_that_is_unplugged_is_reported(unreliable: Callable[..., Reconnecting], tmp_path: Path) -> None:
    source = unreliable([numbered(0)], [numbered(1)])
    (tmp_path / "v4l" / "video0").rename(tmp_path / "away")
    with Viewer(source) as show:
        show.until(lambda: bool(show.source.status))
        assert show.source.status == "camera 0 (Cheap Camera) /dev/video0 lost, waiting"
        (tmp_path / "away").rename(tmp_path / "v4l" / "video0")
        show.until(lambda: len(show.frames) == 2)
        assert number_of(show.frames[1].pixels) == 1


def test_opencv_reads_a_camera_that_is_cut_and_comes_back(stream: TcpStream) -> None:
    device = CameraDevice(0, path=stream.url)
    with Viewer(Reconnecting(CameraSource(device), lambda: CameraSource(device))) as show:
        assert show.source.size == SIZE
        show.see(5)
        stream.cut()
        show.until(lambda: show.source.status.endswith(" lost, waiting"))
        stream.start()
        after = show.see(5)
    assert {frame.size for frame in after} == {SIZE}


def test_a_letterboxed_frame_is_whole_and_undistorted() -> None:
    square = np.full((40, 40, 3), 255, np.uint8)
    wide = letterboxed(square, (80, 40))
    assert wide.shape == (40, 80, 3)
    assert (wide[:, 20:60] == 255).all()
    assert wide.sum() == square.sum()
    assert letterboxed(square, (40, 40)) is square
