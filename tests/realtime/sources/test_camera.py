"""Cameras are read as drivers really are: they block, refuse, open slowly, and give other modes than were asked for."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import cv2
import pytest

from realtime.frames import Pixels
from realtime.media.decoding import SourceError
from realtime.sources import camera, camera_thread
from realtime.sources import camera_list as cameras
from realtime.sources import reconnecting as recovery
from realtime.sources.camera import CameraSource
from realtime.sources.camera_list import CameraDevice, list_cameras, open_capture, request_mode
from realtime.sources.open import open_source
from tests.realtime.clips import SIZE, number_of, numbered
from tests.realtime.conftest import NstLive

PATIENCE_S = 30
DEVICE = CameraDevice(0, "Cheap Camera", "/dev/video0")


class Driver:
    """Stands for OpenCV's capture: reads what `script` says, in which an event is a read that blocks until it is set.

    Each time the camera is opened, the next script is played. A release while a read goes on is what crashes drivers.
    """

    scripts: ClassVar[list[list[Pixels | threading.Event | None]]] = []
    opening: ClassVar[threading.Event | None] = None
    opened: ClassVar[list[Driver]] = []
    mode: ClassVar[dict[int, float]] = {}

    def __init__(self, *device: object) -> None:
        if self.opening is not None:
            self.opening.wait(PATIENCE_S)
        self.device = device
        self._script: Iterator[Any] | None = iter(self.scripts.pop(0)) if self.scripts else None
        self.was_set: list[tuple[int, float]] = []
        self.reading = self.released = self.released_in_a_read = False
        Driver.opened.append(self)

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self._script is not None

    def read(self) -> tuple[bool, Pixels | None]:
        assert self._script is not None
        self.reading = True
        step = next(self._script, None)
        if isinstance(step, threading.Event):
            step.wait(PATIENCE_S)
            step = None
        self.reading = False
        return step is not None, step

    def get(self, what: int) -> float:
        known = {cv2.CAP_PROP_FRAME_WIDTH: SIZE[0], cv2.CAP_PROP_FRAME_HEIGHT: SIZE[1], cv2.CAP_PROP_FPS: 30}
        return float({**known, **self.mode}.get(what, 0))

    def set(self, what: int, value: float) -> bool:
        self.was_set.append((what, value))
        return True

    def release(self) -> None:
        self.released_in_a_read |= self.reading
        self.released = True


Play = Callable[..., None]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Play]:
    """Returns `play(script, script …)`, which plugs in a camera that plays one script each time it is opened."""
    (tmp_path / "v4l" / "video0").mkdir(parents=True)
    (tmp_path / "v4l" / "video0" / "name").write_text(DEVICE.name)
    monkeypatch.setattr(cameras, "list_cameras", lambda: list_cameras(tmp_path / "v4l", tmp_path / "dev"))
    monkeypatch.setattr(cv2, "VideoCapture", Driver)
    monkeypatch.setattr(recovery, "_FIRST_PAUSE_S", 0.01)
    for name, value in (("scripts", []), ("opening", None), ("opened", []), ("mode", {})):
        monkeypatch.setattr(Driver, name, value)

    def plug_in(*scripts: list[Pixels | threading.Event | None]) -> None:
        Driver.scripts[:] = map(list, scripts)

    yield plug_in
    for thread in threading.enumerate():
        if thread.name == "camera":
            thread.join(PATIENCE_S)


def numbers(source: Any, count: int) -> list[int]:
    """Returns the numbers of the first frames of a source, which stays open."""
    frames = source.frames()
    return [number_of(next(frames).pixels) for _ in range(count)]


def wait_until(condition: Callable[[], bool]) -> None:
    event, tries = threading.Event(), 0
    while not condition():
        event.wait(0.02)
        tries += 1
        assert tries < PATIENCE_S / 0.02


def test_a_camera_whose_read_blocks_is_opened_again_while_it_still_blocks(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "_SILENT_S", 0.3)
    monkeypatch.setattr(camera_thread, "_CLOSE_TIMEOUT_S", 0.1)
    stuck = threading.Event()
    play([numbered(0), stuck], [numbered(1)])
    with open_source() as source:
        assert numbers(source, 2) == [0, 1]
        first, _ = Driver.opened
        assert not first.released, "a capture is not released under the thread that reads it"
        stuck.set()
        wait_until(lambda: first.released)
        assert not first.released_in_a_read


def test_reads_that_fail_only_after_a_wait_lead_to_a_reopening_by_time_and_not_by_their_number(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Waiting(threading.Event):
        def wait(self, _timeout_s: float | None = None) -> bool:
            return super().wait(0.2)

    monkeypatch.setattr(camera, "_SILENT_S", 0.7)
    monkeypatch.setattr(camera_thread, "_REFUSED_WITHIN_S", 0.1)
    play([numbered(0), *(Waiting() for _ in range(1000))], [numbered(1)])
    with open_source() as source:
        assert numbers(source, 2) == [0, 1]
    assert all(driver.released and not driver.released_in_a_read for driver in Driver.opened)


def test_a_camera_may_take_its_time_until_the_first_frame(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "_SILENT_S", 0.05)
    slow = threading.Event()
    threading.Timer(0.5, slow.set).start()
    play([slow, numbered(3)])
    with open_source() as source:
        assert numbers(source, 1) == [3]


def test_leaving_while_a_read_blocks_ends_and_leaves_the_capture_to_its_thread(
    play: Play, monkeypatch: pytest.MonkeyPatch, nst_live: NstLive, identity: Path
) -> None:
    monkeypatch.setattr(camera_thread, "_CLOSE_TIMEOUT_S", 0.1)
    stuck = threading.Event()
    play([numbered(0), stuck])
    result = nst_live("--style", identity, "--no-window", "-o", "seen.mkv", "--frames", "1")
    assert result.code == 0, result.err
    (driver,) = Driver.opened
    assert not driver.released
    stuck.set()
    wait_until(lambda: driver.released)
    assert not driver.released_in_a_read


def test_a_camera_that_opens_slowly_is_announced(
    play: Play, monkeypatch: pytest.MonkeyPatch, nst_live: NstLive, identity: Path
) -> None:
    slow = threading.Event()
    printed: list[str] = []

    def print_line(text: str) -> None:
        printed.append(text)
        slow.set()

    monkeypatch.setattr(Driver, "opening", slow)
    monkeypatch.setattr("realtime.app.play.print_line", print_line)
    play([numbered(0)])
    result = nst_live("--camera", "cheap", "--style", identity, "--no-window", "-o", "seen.mkv", "--frames", "1")
    assert result.code == 0, result.err
    assert printed[0] == "opening camera cheap …"


def test_a_camera_that_opens_at_once_is_not_announced(play: Play, nst_live: NstLive, identity: Path) -> None:
    play([numbered(0)])
    result = nst_live("--style", identity, "--no-window", "-o", "seen.mkv", "--frames", "1")
    assert "opening" not in result.err


def test_ctrl_c_is_heard_while_a_driver_does_not_answer(
    play: Play, monkeypatch: pytest.MonkeyPatch, nst_live: NstLive
) -> None:
    never = threading.Event()
    monkeypatch.setattr(Driver, "opening", never)
    play([numbered(0)])
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    assert nst_live("--no-window", "-o", "seen.mkv").code == 130
    assert not Driver.opened, "it still opens"
    never.set()
    wait_until(lambda: any(driver.released for driver in Driver.opened))


def test_a_driver_that_never_answers_is_an_error(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(Driver, "opening", never)
    monkeypatch.setattr(camera, "_OPEN_TIMEOUT_S", 0.2)
    with pytest.raises(SourceError, match=r"camera 0 \(Cheap Camera\) /dev/video0 does not open: its driver has not"):
        CameraSource(DEVICE)
    never.set()


def test_a_device_of_linux_is_opened_with_v4l2_and_keeps_its_buffers(play: Play) -> None:
    play([numbered(0)])
    with open_source():
        (driver,) = Driver.opened
        assert driver.device == ("/dev/video0", cv2.CAP_V4L2)
        assert cv2.CAP_PROP_BUFFERSIZE not in dict(driver.was_set)


def test_a_file_under_dev_is_not_taken_for_a_film() -> None:
    assert not open_capture(CameraDevice(0, path="/dev/null")).isOpened()


@pytest.mark.parametrize(
    ("size", "fps", "compressed"), [((640, 480), 30, False), ((640, 480), 60, True), ((1280, 720), 0, True)]
)
def test_frames_are_compressed_where_usb_is_too_slow(
    size: tuple[int, int], fps: float, compressed: bool, play: Play
) -> None:
    driver = Driver()
    request_mode(driver, size, fps)
    assert (cv2.CAP_PROP_FOURCC in dict(driver.was_set)) == compressed


@pytest.mark.parametrize(
    ("size", "rate", "note"),
    [
        (None, Fraction(60), "64x48 at 30 fps, not at 60 fps as requested"),
        ((1920, 1080), Fraction(60), "64x48 at 30 fps, not 1920x1080 at 60 fps as requested"),
        (SIZE, Fraction(30000, 1001), "64x48 at 30 fps"),
    ],
)
def test_what_a_camera_refuses_is_named(size: tuple[int, int] | None, rate: Fraction, note: str, play: Play) -> None:
    play([numbered(0)])
    with open_source(size=size, rate=rate) as source:
        assert source.info.notes == (f"camera {DEVICE} gives {note}",)


# nodes ----------------------------------------------------------------------------------------------------------------

CAPTURE, CAPTURE_IN_PLANES, OUTPUT, MEMORY_TO_MEMORY, METADATA = 0x1, 0x1000, 0x2, 0x8000, 0x00800000


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Returns `nodes(video0=flags, …)`, which lists the cameras among nodes that say that they can do this."""
    asked: dict[int, int] = {}
    opened = os.open

    def open_node(path: Any, flags: int) -> int:
        descriptor = opened(path, flags)
        asked[descriptor] = int(Path(path).read_text())
        return descriptor

    def answer(descriptor: int, request: int, buffer: bytearray) -> int:
        # struct v4l2_capability of Linux's videodev2.h
        assert request == 2 << 30 | 104 << 16 | ord("V") << 8, "VIDIOC_QUERYCAP"
        whole_device = 0x80000000 | CAPTURE | METADATA
        buffer[:] = struct.pack("16s32s32s3I12x", b"uvcvideo", b"Camera", b"usb-1", 6, whole_device, asked[descriptor])
        return 0

    def found(**flags: int) -> list[str]:
        for index, (name, can) in enumerate(flags.items()):
            (tmp_path / "sysfs" / name).mkdir(parents=True)
            (tmp_path / "sysfs" / name / "index").write_text(f"{index}\n")
            (tmp_path / "dev").mkdir(exist_ok=True)
            (tmp_path / "dev" / name).write_text(str(can))
        monkeypatch.setattr(os, "open", open_node)
        monkeypatch.setattr("fcntl.ioctl", answer)
        return [each.path for each in list_cameras(tmp_path / "sysfs", tmp_path / "dev")]

    return found


def test_only_nodes_that_capture_are_cameras(nodes: Callable[..., list[str]]) -> None:
    found = nodes(video0=METADATA, video1=CAPTURE, video2=OUTPUT, video3=MEMORY_TO_MEMORY, video4=CAPTURE_IN_PLANES)
    assert found == ["/dev/video1", "/dev/video4"], "whatever their place among the nodes of a device"


def test_a_node_that_may_not_be_asked_is_a_camera_if_it_is_the_first_of_its_device(tmp_path: Path) -> None:
    for name, index in (("video0", "0"), ("video1", "1")):
        (tmp_path / "sysfs" / name).mkdir(parents=True)
        (tmp_path / "sysfs" / name / "index").write_text(f"{index}\n")
    assert [each.path for each in list_cameras(tmp_path / "sysfs", tmp_path / "dev")] == ["/dev/video0"]


# what OpenCV is told before it is loaded ------------------------------------------------------------------------------


def told(**environment: str) -> list[str]:
    code = (
        "import sys, os\n"
        "class Watch:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'cv2':\n"
        "            print(os.environ['OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS'])\n"
        "            print(os.environ['OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT'])\n"
        "            sys.exit()\n"
        "sys.meta_path.insert(0, Watch())\n"
        "import realtime\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENCV_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_opencv_is_told_to_open_quickly_and_not_to_wait_long_unless_the_user_says_otherwise() -> None:
    assert told() == ["0", "2"]
    assert told(OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS="1") == ["1", "2"]
