"""Cameras are found by index, path and name, and an error says which ones exist."""

from __future__ import annotations

import shutil
import sys
import tomllib
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import cv2
import pytest

from realtime.media.decoding import SourceError
from realtime.sources import camera_list as cameras
from realtime.sources.camera_list import (
    CameraDevice,
    default_camera,
    describe_cameras,
    find_again,
    find_camera,
    list_cameras,
    twins_of,
)
from realtime.sources.open import open_source
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(not Path("/sys").is_dir(), reason="cameras are listed like this on Linux only")

BUILT_IN = CameraDevice(0, "Integrated CameraDevice: HD", "/dev/video0")
ON_USB = CameraDevice(10, "Logitech BRIO", "/dev/video10")


def plug_in(sysfs: Path, node: str, name: str, index: str = "0") -> None:
    (sysfs / node).mkdir(parents=True)
    (sysfs / node / "name").write_text(name + "\n")
    (sysfs / node / "index").write_text(index + "\n")


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the one in which Linux lists cameras, empty, where the code looks for them."""
    folder = tmp_path / "video4linux"
    monkeypatch.setattr(cameras, "list_cameras", partial(list_cameras, folder))
    return folder


@pytest.fixture
def two_cameras(sysfs: Path) -> None:
    plug_in(sysfs, "video10", "Logitech BRIO")
    plug_in(sysfs, "video0", "Integrated CameraDevice: HD")
    plug_in(sysfs, "video1", "Integrated CameraDevice: HD", index="1")


@pytest.mark.usefixtures("two_cameras")
def test_cameras_are_listed_by_number_without_their_second_nodes(sysfs: Path) -> None:
    assert list_cameras(sysfs) == [BUILT_IN, ON_USB]


def test_a_camera_without_a_name_is_listed_by_its_path(sysfs: Path) -> None:
    (sysfs / "video3").mkdir(parents=True)
    assert list_cameras(sysfs) == [CameraDevice(3, "", "/dev/video3")]
    assert str(list_cameras(sysfs)[0]) == "3 /dev/video3"


@pytest.mark.usefixtures("two_cameras")
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("0", BUILT_IN),
        ("10", ON_USB),
        ("1", None),
        ("2", None),
        ("brio", ON_USB),
        ("integrated camera", BUILT_IN),
        ("Nikon", None),
        ("/dev/video77", None),
    ],
)
def test_a_camera_is_found_by_index_or_part_of_its_name(wanted: str, found: CameraDevice | None) -> None:
    assert find_camera(wanted) == found


def test_by_default_the_first_device_is_taken_and_not_a_virtual_camera(sysfs: Path, tmp_path: Path) -> None:
    assert default_camera() is None
    loopback = tmp_path / "devices" / "virtual" / "video4linux"
    plug_in(loopback, "video0", "Dummy video device")
    sysfs.mkdir()
    (sysfs / "video0").symlink_to(loopback / "video0")
    made_by_a_program = default_camera()
    assert made_by_a_program is not None
    assert made_by_a_program.name == "Dummy video device"
    plug_in(sysfs, "video2", "C920")
    assert default_camera() == CameraDevice(2, "C920", "/dev/video2")


def test_if_cameras_cannot_be_listed_nothing_claims_that_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert default_camera() == CameraDevice(0)
    assert describe_cameras().startswith("cameras cannot be listed here; type: pip install cv2-enumerate-cameras")


def test_of_two_identical_cameras_the_one_that_was_lost_is_found_again(sysfs: Path) -> None:
    plug_in(sysfs, "video0", "C920")
    plug_in(sysfs, "video2", "C920")
    lost = find_camera("2")
    assert lost is not None
    twins = twins_of(lost)
    assert find_again(lost, twins) == lost
    shutil.rmtree(sysfs / "video2")
    assert find_again(lost, twins) is None, "the other one is still in its place"
    plug_in(sysfs, "video4", "C920")
    assert find_again(lost, twins) == CameraDevice(4, "C920", "/dev/video4")


def plug_into(port: Path, sysfs: Path, node: str, index: str = "0") -> None:
    """Plugs the nodes of a camera into a port, as Linux shows it: by a link from the node to the device."""
    plug_in(sysfs, node, "C920", index)
    port.mkdir(parents=True, exist_ok=True)
    (sysfs / node / "device").symlink_to(port)


def test_identical_cameras_that_swap_their_numbers_are_told_apart_by_their_places(sysfs: Path, tmp_path: Path) -> None:
    left, right = tmp_path / "usb1" / "1-1", tmp_path / "usb1" / "1-2"
    plug_into(left, sysfs, "video0")
    plug_into(right, sysfs, "video2")
    lost = find_camera("0")
    assert lost is not None
    twins = twins_of(lost)
    # a hub that loses its power for a moment finds them in another order
    shutil.rmtree(sysfs)
    plug_into(right, sysfs, "video0")
    assert find_again(lost, twins) is None, "what has its number is its twin"
    plug_into(left, sysfs, "video2")
    assert find_again(lost, twins) == CameraDevice(2, "C920", "/dev/video2")


def test_the_second_camera_of_a_device_is_not_replaced_by_the_first(sysfs: Path, tmp_path: Path) -> None:
    infrared = CameraDevice(2, "C920", "/dev/video2", node=2, place="elsewhere")
    plug_into(tmp_path / "usb1" / "1-1", sysfs, "video4")
    assert find_again(infrared, twins=frozenset()) is None


def test_a_link_to_a_device_is_known_by_its_camera(
    sysfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(sysfs, "video4", "C920")
    link = tmp_path / "by-id"
    link.touch()
    monkeypatch.setattr(Path, "resolve", lambda path: Path("/dev/video4") if path == link else path)
    found = cameras._camera_at(str(link), list_cameras(sysfs))
    assert (found.name, found.path, found.index) == ("C920", str(link), 4)


def test_outside_linux_the_core_install_brings_what_lists_cameras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "cv2-enumerate-cameras>=1.2; sys_platform != 'linux'" in project["dependencies"]


def test_outside_linux_a_camera_is_found_again_by_its_name_and_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = CameraDevice(0, "Brio", place="usb-1")
    others = [CameraDevice(0, "FaceTime", place="built in"), CameraDevice(1, "Brio", place="usb-2")]
    monkeypatch.setattr(cameras, "list_cameras", lambda: others)
    assert find_again(lost, twins={"usb-2"}) is None
    others.append(CameraDevice(2, "Brio", place="usb-1"))
    assert find_again(lost, twins={"usb-2"}) == others[2]


def test_outside_linux_each_camera_is_listed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Info:
        def __init__(self, index: int, name: str) -> None:
            self.index, self.name, self.path = index, name, f"usb-{index}"

    package = ModuleType("cv2_enumerate_cameras")
    package.__spec__ = ModuleSpec("cv2_enumerate_cameras", None)
    monkeypatch.setattr(package, "supported_backends", (cv2.CAP_MSMF, cv2.CAP_DSHOW), raising=False)
    found = {
        cv2.CAP_MSMF: [Info(0, "FaceTime"), Info(1, "Brio")],
        cv2.CAP_DSHOW: [Info(0, "Brio"), Info(1, "OBS Virtual Camera")],
    }
    monkeypatch.setattr(package, "enumerate_cameras", lambda backend: found[backend], raising=False)
    monkeypatch.setitem(sys.modules, "cv2_enumerate_cameras", package)
    monkeypatch.setattr(sys, "platform", "win32")
    assert find_camera("0") == CameraDevice(0, "FaceTime", backend=cv2.CAP_MSMF)
    assert find_camera("brio") == CameraDevice(1, "Brio", backend=cv2.CAP_MSMF)
    assert find_camera("obs") == CameraDevice(cv2.CAP_DSHOW + 1, "OBS Virtual Camera")


def test_a_device_path_is_trusted_if_it_exists() -> None:
    assert find_camera("/dev/null") == CameraDevice(0, path="/dev/null")


@pytest.mark.usefixtures("two_cameras")
def test_the_cameras_are_described_in_one_line() -> None:
    assert describe_cameras() == ("found: 0 (Integrated CameraDevice: HD) /dev/video0, 10 (Logitech BRIO) /dev/video10")


@pytest.mark.usefixtures("sysfs")
def test_if_there_is_no_camera_the_error_says_what_to_type_instead() -> None:
    with pytest.raises(SourceError) as caught:
        open_source()
    assert str(caught.value) == ("no camera here; found no camera at all; without a camera, type: nst-live -i test")


@pytest.mark.usefixtures("two_cameras")
def test_a_name_that_matches_no_camera_gives_an_error_with_the_names_that_exist() -> None:
    with pytest.raises(SourceError, match=r"no camera 'Nikon' here; found: 0 \(Integrated CameraDevice: HD\)"):
        open_source(camera="Nikon")


def test_a_device_that_is_not_a_camera_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot open camera 0 /dev/null; found .*is another program using it"):
        open_source(camera="/dev/null")
