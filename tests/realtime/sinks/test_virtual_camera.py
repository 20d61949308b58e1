"""Other programs see every painted frame, in its colors, at the device's pace; what fails gives one clear line."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest

from realtime.frames import Frame, Pixels
from realtime.queues import QueuePolicy, SinkQueue
from realtime.sinks.virtual_camera import VirtualCamera, VirtualCameraError
from tests.realtime.clips import SIZE, colourful, numbered, read_clip, write_clip
from tests.realtime.conftest import NstLive
from tests.realtime.servers import free_port

pyvirtualcam = pytest.importorskip("pyvirtualcam", reason="pyvirtualcam is not installed")
PATIENCE_S = 30


class Device:
    """A backend for pyvirtualcam that keeps what it is sent, and when."""

    devices: ClassVar[tuple[str, ...]] = ("/dev/video9",)
    busy = False
    gone_after: ClassVar[int | None] = None
    opened: ClassVar[list[Device]] = []

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None, **_: Any) -> None:
        if not self.devices:
            raise RuntimeError("no loopback device found")
        if device is not None and device not in self.devices:
            raise RuntimeError(f"Device {device} does not exist.")
        if self.busy:
            raise RuntimeError(f"Device {device or self.devices[0]}\nis busy.")
        self.size, self.fps, self.fourcc = (width, height), fps, fourcc
        self.sent: list[tuple[float, Pixels]] = []
        self.closed = False
        self._name = device or self.devices[0]
        self.opened.append(self)

    def close(self) -> None:
        self.closed = True

    def send(self, frame: Pixels) -> None:
        if self.gone_after is not None and len(self.sent) >= self.gone_after:
            raise RuntimeError("No such device")
        self.sent.append((time.monotonic(), frame.reshape(self.size[1], self.size[0], 3).copy()))

    def device(self) -> str:
        return self._name

    def native_fourcc(self) -> int | None:
        return None

    @property
    def pictures(self) -> list[Pixels]:
        return [pixels for _, pixels in self.sent]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Device]]:
    """The only kind of virtual camera on this machine."""
    from pyvirtualcam import camera

    class Fresh(Device):
        opened: ClassVar[list[Device]] = []

    monkeypatch.setattr(camera, "BACKENDS", {})
    pyvirtualcam.register_backend("test", Fresh)
    yield Fresh
    assert all(each.closed for each in Fresh.opened), "devices are closed"


def frame(pixels: Pixels, index: int = 0) -> Frame:
    return Frame(pixels, index, time.monotonic())


def test_every_frame_arrives_once_in_order_and_in_its_colors(device: type[Device]) -> None:
    pictures = [colourful(index) for index in range(12)]
    with VirtualCamera(SIZE, Fraction(200)) as camera:
        for index, pixels in enumerate(pictures):
            camera.write(pixels, frame(pixels, index))
    (opened,) = device.opened
    assert opened.size == SIZE
    assert opened.fps == 200
    assert opened.fourcc == pyvirtualcam.camera.encode_fourcc(pyvirtualcam.PixelFormat.RGB.value)
    assert len(opened.sent) == 12
    for got, wanted in zip(opened.pictures, pictures, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_frame_reaches_the_driver_without_a_copy(device: type[Device], monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, shared = colourful(0), []
    monkeypatch.setattr(device, "send", lambda _self, sent: shared.append(np.shares_memory(sent, pixels)))
    with VirtualCamera(SIZE, Fraction(100)) as camera:
        camera.write(pixels, frame(pixels))
    assert shared == [True]


@pytest.mark.parametrize("size", [(65, 49), (64, 49), (65, 48)])
def test_an_odd_side_loses_its_last_line(size: tuple[int, int], device: type[Device]) -> None:
    pixels = colourful(0, size)
    with VirtualCamera(size, Fraction(100)) as camera:
        camera.write(pixels, frame(pixels))
    (opened,) = device.opened
    assert opened.size == (64, 48)
    np.testing.assert_array_equal(opened.pictures[0], pixels[:48, :64])


def test_a_frame_of_another_size_is_scaled(device: type[Device]) -> None:
    with VirtualCamera(SIZE, Fraction(100)) as camera:
        camera.write(numbered(3, (128, 96)), frame(numbered(3)))
    np.testing.assert_array_equal(device.opened[0].pictures[0], numbered(3))


def test_the_device_is_fed_at_its_own_pace_and_the_last_frame_is_held(device: type[Device]) -> None:
    with (
        VirtualCamera(SIZE, Fraction(50)) as camera,
        SinkQueue(camera, "camera", QueuePolicy(capacity=2, repeat_s=0)) as queue,
    ):
        for index in range(3):
            queue.write(numbered(index), frame(numbered(index), index))
        deadline_s = time.monotonic() + PATIENCE_S
        while len(device.opened[0].sent) < 30:
            assert time.monotonic() < deadline_s, "nothing is repeated"
            time.sleep(0.01)
    times_s = [at_s for at_s, _ in device.opened[0].sent]
    # a busy device may be later, but none is flooded
    assert times_s[29] - times_s[0] > 0.7 * 29 / 50
    np.testing.assert_array_equal(device.opened[0].pictures[-1], numbered(2))


# the command ----------------------------------------------------------------------------------------------------------


def test_other_programs_see_the_painted_frames_as_a_camera(
    device: type[Device], negative: Path, nst_live: NstLive
) -> None:
    result = nst_live(
        "-i", "test", "--size", "64x48", "--style", negative, "--no-window", "--frames", "20", "--virtual-cam"
    )
    assert result.code == 0
    assert "virtual camera: /dev/video9\n" in result.err
    (opened,) = device.opened
    assert opened.size == (64, 48)
    assert opened.fps == 30
    from realtime.sources.scene import LOOP_FRAMES, Scene

    scene = Scene(64, 48)
    wanted = [255 - scene.draw(index) for index in range(LOOP_FRAMES)]
    assert all(any((got == painted).all() for painted in wanted) for got in opened.pictures)


def test_camera_recording_and_stream_get_the_same_frames(
    device: type[Device], identity: Path, tmp_path: Path, nst_live: NstLive
) -> None:
    clip, port = write_clip(tmp_path / "clip.mp4", 120), free_port(socket.SOCK_DGRAM)
    received: list[Pixels] = []

    def receive() -> None:
        with av.open(f"udp://127.0.0.1:{port}", timeout=(PATIENCE_S, PATIENCE_S)) as container:
            pictures: Iterator[Any] = container.decode(video=0)
            received.extend(picture.to_ndarray(format="rgb24") for picture in islice(pictures, 20))

    player = threading.Thread(target=receive)
    player.start()
    outputs = ["-o", "painted.mp4", "--virtual-cam", "/dev/video9", "--stream", f"udp://127.0.0.1:{port}"]
    result = nst_live("-i", clip, "--style", identity, *outputs)
    player.join()
    assert result.code == 0, result.err
    assert read_clip(tmp_path / "painted.mp4").numbers == [index % 40 for index in range(120)]
    assert len(device.opened[0].sent) >= 40
    assert len(received) == 20
    assert received[0].shape == (48, 64, 3)


HINTS = {
    "linux": 'type: sudo modprobe v4l2loopback exclusive_caps=1 card_label="nst-live" (package v4l2loopback-dkms)',
    "win32": "install OBS Studio from https://obsproject.com and start its virtual camera once",
    "darwin": "install OBS Studio 30 or newer, start its virtual camera once, and allow it in System Settings",
}


@pytest.mark.parametrize("platform", HINTS)
def test_without_a_device_the_error_says_how_to_get_one_on_each_system(
    platform: str, device: type[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "devices", ())
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(VirtualCameraError) as caught:
        VirtualCamera(SIZE, Fraction(30))
    expected = f"cannot open a virtual camera: 'test' backend: no loopback device found; {HINTS[platform]}"
    assert str(caught.value) == expected


def make_busy(device: type[Device], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "busy", True)


def make_missing(device: type[Device], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "devices", ("/dev/video3",))


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (make_busy, "cannot open the virtual camera /dev/video9: 'test' backend: Device /dev/video9 is busy; "),
        (
            make_missing,
            "cannot open the virtual camera /dev/video9: 'test' backend: Device /dev/video9 does not exist; ",
        ),
    ],
)
def test_a_device_that_cannot_be_opened_gives_one_line_and_exit_code_4(
    break_it: Callable[[type[Device], pytest.MonkeyPatch], None],
    words: str,
    device: type[Device],
    nst_live: NstLive,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_it(device, monkeypatch)
    result = nst_live("-i", "test", "--size", "64x48", "--no-window", "--virtual-cam", "/dev/video9")
    assert result.code == 4
    assert result.complaint.startswith(f"nst-live: {words}")


def test_without_pyvirtualcam_the_error_says_what_to_type_and_the_exit_code_is_4(
    nst_live: NstLive, missing: Callable[[str], None], identity: Path
) -> None:
    missing("pyvirtualcam")
    result = nst_live("-i", "test", "--size", "64x48", "--no-window", "--virtual-cam", "--style", identity)
    assert result.code == 4
    wanted = 'nst-live: a virtual camera needs pyvirtualcam; type: pip install "nst-live[virtualcam]"'
    assert result.complaint == wanted


def show_until(camera: VirtualCamera, condition: Callable[[], bool]) -> None:
    """Writes frames until a condition has come true."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, camera.status
        camera.write(numbered(0), frame(numbered(0)))


def test_writes_that_only_print_their_failure_are_noticed_and_the_device_is_opened_again(
    device: type[Device], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    send = device.send

    def fail(_self: Device, _frame: Pixels) -> None:
        os.write(2, b"a line of another thread\n")
        os.write(2, b"error writing frame: Invalid argument")  # as pyvirtualcam does on Linux

    with VirtualCamera(SIZE, Fraction(50)) as camera:
        show_until(camera, lambda: len(device.opened[0].sent) >= 2)
        monkeypatch.setattr(device, "send", fail)
        lost = "virtual camera /dev/video9 lost (Invalid argument), trying again"
        show_until(camera, lambda: camera.status == lost)
        monkeypatch.setattr(device, "send", send)
        show_until(camera, lambda: len(device.opened) == 2 and len(device.opened[-1].sent) >= 2)
        assert device.opened[0].closed
        assert camera.status == "virtual camera: /dev/video9"
    printed = capfd.readouterr().err
    assert "a line of another thread\n" in printed
    assert "error writing frame" not in printed


def test_a_single_write_that_fails_changes_nothing(device: type[Device], monkeypatch: pytest.MonkeyPatch) -> None:
    send = device.send

    def fail_once(_self: Device, _frame: Pixels) -> None:
        os.write(2, b"error writing frame: Resource temporarily unavailable")
        monkeypatch.setattr(device, "send", send)

    with VirtualCamera(SIZE, Fraction(50)) as camera:
        monkeypatch.setattr(device, "send", fail_once)
        show_until(camera, lambda: len(device.opened[0].sent) >= 75)
        assert camera.status == "virtual camera: /dev/video9"
    assert len(device.opened) == 1


def test_a_device_that_vanishes_is_waited_for(device: type[Device], monkeypatch: pytest.MonkeyPatch) -> None:
    with VirtualCamera(SIZE, Fraction(50)) as camera:
        monkeypatch.setattr(device, "gone_after", 5)
        monkeypatch.setattr(device, "devices", ())
        show_until(camera, lambda: "lost" in camera.status)
        assert camera.status == "virtual camera /dev/video9 lost (No such device), trying again"
        monkeypatch.setattr(device, "gone_after", None)
        monkeypatch.setattr(device, "devices", ("/dev/video3", "/dev/video9"))
        show_until(camera, lambda: len(device.opened) == 2 and len(device.opened[-1].sent) >= 2)
        assert camera.status == "virtual camera: /dev/video9"


def test_a_device_that_vanishes_does_not_end_a_run(
    device: type[Device], identity: Path, tmp_path: Path, nst_live: NstLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "gone_after", 5)
    clip = write_clip(tmp_path / "clip.mp4", 40)
    result = nst_live("-i", clip, "--style", identity, "-o", "painted.mp4", "--virtual-cam")
    assert result.code == 0
    assert "virtual camera /dev/video9 lost (No such device), trying again\n" in result.err
    assert read_clip(tmp_path / "painted.mp4").numbers == [index % 40 for index in range(40)]


def test_a_slow_device_does_not_hold_up_the_run(device: type[Device], monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = threading.Event()
    monkeypatch.setattr(device, "send", lambda *_: stuck.wait(PATIENCE_S))
    with VirtualCamera(SIZE, Fraction(30)) as camera, SinkQueue(camera, "camera", QueuePolicy(capacity=2)) as queue:
        for index in range(50):
            queue.write(numbered(index), frame(numbered(index), index))
        assert queue.dropped >= 47
        stuck.set()
