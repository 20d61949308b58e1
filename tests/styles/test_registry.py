"""Finding styles in the user's folder and among the shipped ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from styles import registry
from styles.architecture import CONFIGS
from styles.registry import (
    NETWORK_SHA256,
    PICTURES,
    StyleMismatchError,
    UnknownStyleError,
    find_style,
    known_picture,
    list_networks,
    list_styles,
    network_path,
    onnx_path,
    read_listing,
)
from styles.weights import WeightsError, save_network, save_style
from tests.conftest import ROOT

VECTOR = np.ones(4, np.float32)


def make_network(folder: Path, name: str, styles: tuple[str, ...], marker: str = "") -> Path:
    """Writes a net and styles that belong to it, titled `marker`."""
    path = folder / f"{name}.safetensors"
    sha256 = save_network(path, CONFIGS["fast"], {"w": np.ones(2, np.float32)}, {"marker": marker})
    for style in styles:
        facts = {"title": marker or style, "network": name, NETWORK_SHA256: sha256, "command": f"make {style}"}
        save_style(folder / name / f"{style}.safetensors", VECTOR, facts)
    return path


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shipped folder with the net `fast` and its styles wave and wreck."""
    folder = tmp_path / "shipped"
    make_network(folder, "fast", ("wave", "wreck"))
    monkeypatch.setattr(registry, "SHIPPED_FOLDER", folder)
    return folder


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, not there yet."""
    monkeypatch.setenv("NST_LIVE_STYLES", str(tmp_path / "mine"))
    return tmp_path / "mine"


def names(network: str | None = None) -> list[str]:
    return [f"{style.network}/{style.name}" for style in list_styles(network)]


def test_shipped_styles_are_listed_without_a_folder_of_the_users(shipped: Path, user: Path) -> None:
    assert names() == ["fast/wave", "fast/wreck"]
    assert network_path("fast") == shipped / "fast.safetensors"
    assert onnx_path("fast") == shipped / "fast.onnx"


def test_a_damaged_file_hides_no_other_style_and_is_named_when_it_is_asked_for(shipped: Path, user: Path) -> None:
    broken = shipped / "fast" / "broken.safetensors"
    broken.write_bytes(b"half a file")
    listing = read_listing("fast")
    assert [style.name for style in listing.styles] == ["wave", "wreck"]
    assert list(listing.damaged) == [broken]
    assert find_style("wave").name == "wave"
    with pytest.raises(WeightsError, match=rf"{broken} cannot be read as safetensors"):
        find_style("broken")


def test_the_users_styles_stand_beside_the_shipped_ones_and_hide_them(shipped: Path, user: Path) -> None:
    style = find_style("wave")
    mine = user / "fast" / "wave.safetensors"
    sha256 = registry.network_sha256(shipped / "fast.safetensors")
    save_style(mine, VECTOR, {"title": "My wave", "network": "fast", NETWORK_SHA256: sha256})
    make_network(user, "other", ("dots",))
    assert names() == ["fast/wave", "fast/wreck", "other/dots"]
    assert names("other") == ["other/dots"]
    assert (style.title, find_style("wave").title) == ("wave", "My wave")
    assert find_style("wave").path == mine
    assert find_style("wave").network_path == shipped / "fast.safetensors"


def test_a_net_with_its_style_inside_is_a_style(shipped: Path, user: Path) -> None:
    path = user / "own.safetensors"
    save_network(path, CONFIGS["fast"], {"w": np.ones(2, np.float32)}, {"title": "Own"}, vector=VECTOR)
    style = find_style("own")
    assert style.dedicated
    assert (style.title, style.network, style.path, style.network_path) == ("Own", "own", path, path)
    assert list_networks()["own"] == path


def test_a_style_file_anywhere_is_found_by_its_path(shipped: Path, user: Path, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.safetensors"
    (shipped / "fast" / "wave.safetensors").rename(file)
    style = find_style(str(file))
    assert (style.name, style.network, style.dedicated) == ("elsewhere", "fast", False)
    with pytest.raises(FileNotFoundError, match="no style file at"):
        find_style(str(tmp_path / "gone.safetensors"))
    with pytest.raises(WeightsError, match="is a net without a style of its own"):
        find_style(str(shipped / "fast.safetensors"))


def test_the_nearest_name_is_offered(shipped: Path, user: Path) -> None:
    with pytest.raises(
        UnknownStyleError, match=r"no style called 'wrek'; did you mean 'wreck'\? \(there are: wave, wr"
    ):
        find_style("wrek")
    with pytest.raises(UnknownStyleError, match=r"no style of the net 'fast' called 'zzz' \(there are: wave, wreck\)"):
        find_style("zzz", "fast")
    with pytest.raises(UnknownStyleError, match=r"no net called 'fsat'; did you mean 'fast'\?"):
        network_path("fsat")
    with pytest.raises(UnknownStyleError, match=r"no style called 'x{300}…' \(there are: wave, wreck\)"):
        find_style("x" * 70_000)


def test_a_style_of_another_training_of_its_net_is_refused(shipped: Path, user: Path) -> None:
    assert find_style("wave").name == "wave"
    save_network(shipped / "fast.safetensors", CONFIGS["fast"], {"w": np.zeros(2, np.float32)}, {"new": "training"})
    with pytest.raises(
        StyleMismatchError,
        match=r"another version of the net 'fast' .* train it again: nst-train PICTURE .*made by: make wave",
    ):
        find_style("wave")


def test_the_six_pictures_say_who_painted_them() -> None:
    assert list(PICTURES) == ["la_muse", "rain_princess", "scream", "udnie", "wave", "wreck"]
    assert all(picture.name == name and picture.artist and picture.license for name, picture in PICTURES.items())


def test_what_the_app_imports_needs_no_torch() -> None:
    modules = "styles.registry, styles.weights, styles.architecture, styles.cli.main"
    code = f"import sys; sys.modules['torch'] = None; import {modules}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)


@pytest.mark.needs_shared
def test_a_picture_is_known_by_its_content_and_not_by_its_name_alone(shared: Path, tmp_path: Path) -> None:
    for name, picture in PICTURES.items():
        assert known_picture(shared / "style_images" / f"{name}.jpg") == picture
    surf = tmp_path / "wave.jpg"
    surf.write_bytes(b"a holiday")
    assert known_picture(surf) is None
