"""Wherever a style is named a picture may stand: on the command line, in mixes and playlists, in folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import realtime as rt
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.styles import load_all_styles, load_named_styles
from styles.kept_picture import small_copy
from styles.registry import NETWORK_SHA256, SHIPPED_FOLDER
from styles.weights import load_style, save_style
from tests.realtime.clips import read_clip, write_clip
from tests.realtime.conftest import NstLive
from tests.realtime.encoders import write_encoder
from tests.styles.conftest import textured

SHIPPED = ["la_muse", "rain_princess", "scream", "udnie", "wave", "wreck"]
ONE_FRAME = ("-i", "test", "--size", "64x48", "--frames", "2", "--no-window", "--net", "fast")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of styles, with an encoder in it."""
    monkeypatch.setenv("NST_LIVE_STYLES", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_encoder(tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture
def postcard(mine: Path, tmp_path: Path) -> Path:
    """A picture that lies elsewhere."""
    return save(tmp_path / "postcard.jpg", 7)


def save(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(textured(120, 160, seed)).save(path)
    return path


def names(styles: Sequence[LoadedStyle]) -> list[str]:
    return [style.name for style in styles]


# the command line -----------------------------------------------------------------------------------------------------


def test_a_picture_is_a_style(postcard: Path, tmp_path: Path, nst_live: NstLive) -> None:
    told = nst_live(*ONE_FRAME, "-o", "painted.mp4", "--style", postcard)
    assert told.code == 0, told.err
    assert ", postcard, backend: " in told.err
    assert len(read_clip(tmp_path / "painted.mp4").pictures) == 2
    assert len(list((tmp_path / "cache/nst-live/predictions").iterdir())) == 1


def test_another_picture_paints_otherwise(postcard: Path, tmp_path: Path, nst_live: NstLive) -> None:
    paintings = []
    for style in (postcard, save(tmp_path / "b.png", 8)):
        assert nst_live(*ONE_FRAME, "-o", "painted.mp4", "-y", "--style", style).code == 0
        paintings.append(read_clip(tmp_path / "painted.mp4").pictures[0].astype(int))
    assert np.abs(paintings[0] - paintings[1]).mean() > 0.5


def test_a_mix_has_pictures_with_weights_after_the_last_colon(postcard: Path, nst_live: NstLive) -> None:
    told = nst_live(*ONE_FRAME, "-o", "painted.mp4", "--mix", f"{postcard}:0.75,wave:0.25")
    assert told.code == 0, told.err
    assert "postcard 75 % + wave 25 %" in told.err


def test_a_playlist_has_pictures(postcard: Path, tmp_path: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 10, size=(64, 48))
    told = nst_live("-i", clip, "-o", "p.mp4", "--net", "fast", "--playlist", f"{postcard}:0.2,wave:0.2", "--fade", "0")
    assert told.code == 0, told.err
    assert f"{clip} 64x48, postcard, backend:" in told.err


def test_a_photo_is_painted_in_the_style_of_a_picture(postcard: Path, tmp_path: Path, nst_live: NstLive) -> None:
    photo = save(tmp_path / "photo.png", 2)
    told = nst_live("-i", photo, "-o", "painted.png", "--net", "fast", "--style", postcard)
    assert told.code == 0, told.err
    assert f"{photo}, postcard, backend" in told.err


def test_a_gallery_is_made_of_pictures(postcard: Path, tmp_path: Path, nst_live: NstLive) -> None:
    photo = save(tmp_path / "photo.png", 2)
    told = nst_live("gallery", photo, "-o", "sheet.png", "--net", "fast", "--width", "64", "--style", postcard, "wave")
    assert told.code == 0, told.err
    assert "in 2 styles on sheet.png" in told.err


def test_a_gallery_shows_a_folder_of_pictures(mine: Path, tmp_path: Path, nst_live: NstLive) -> None:
    photo = save(tmp_path / "photo.png", 2)
    for seed in range(2):
        save(mine / f"picture{seed}.png", seed)
    (mine / "damaged.jpg").write_bytes(b"damaged")
    told = nst_live("gallery", photo, "-o", "sheet.png", "--net", "fast", "--width", "64", "--styles", mine)
    assert told.code == 0, told.err
    assert "in 8 styles on sheet.png" in told.err
    assert f"left out: {mine / 'damaged.jpg'} cannot be read as a picture: its format is unknown" in told.err


def test_names_with_commas_are_written_as_a_list(mine: Path, tmp_path: Path, nst_live: NstLive) -> None:
    picture = save(tmp_path / "a,b:c.png", 3)
    (tmp_path / "mine.toml").write_text(f'mix = ["{picture}:3", "wave:1"]\n')
    told = nst_live(*ONE_FRAME, "-o", "painted.mp4", "--config", "mine.toml")
    assert told.code == 0, told.err
    assert "a,b:c 75 % + wave 25 %" in told.err
    printed = nst_live("--print-config", "--config", "mine.toml").out
    (line,) = (line for line in printed.splitlines() if line.startswith("mix = "))
    assert line == f'mix = ["{picture}:3", "wave:1"]  # mine.toml'
    (tmp_path / "mine.toml").write_text('mix = ["wave:none"]\n')
    assert nst_live("--print-config", "--config", "mine.toml").code == 2


# what cannot be a style -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no file bad.jpg"),
        (b"", "bad.jpg cannot be read as a picture: it is empty (0 bytes)"),
        (b"text", "bad.jpg cannot be read as a picture: its format is unknown"),
    ],
)
@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("option", ["--style", "--mix", "--playlist"])
def test_what_is_no_picture_is_refused_in_one_line(
    option: str, content: bytes | None, words: str, tmp_path: Path, nst_live: NstLive
) -> None:
    if content is not None:
        (tmp_path / "bad.jpg").write_bytes(content)
    told = nst_live(*ONE_FRAME, "-o", "painted.mp4", option, "bad.jpg")
    assert (told.code, told.complaint) == (3, f"nst-live: {words}")
    assert not (tmp_path / "painted.mp4").exists()
    photo = save(tmp_path / "photo.png", 2)
    if option != "--playlist":
        told = nst_live("-i", photo, "-o", "painted.png", "--net", "fast", option, "bad.jpg")
        assert (told.code, told.complaint) == (3, f"nst-live: {words}")


def test_an_encoder_of_another_net_is_refused_in_one_line(postcard: Path, mine: Path, nst_live: NstLive) -> None:
    write_encoder(mine, sha256="0" * 64)
    told = nst_live(*ONE_FRAME, "-o", "painted.mp4", "--style", postcard)
    assert told.code == 3
    assert "belongs to another version of the net 'fast'" in told.complaint
    save(mine / "a.png", 1)
    told = nst_live(*ONE_FRAME, "-o", "painted.mp4")
    assert told.code == 0
    assert told.err.count("left out: the pictures in") == 1


def test_a_folder_as_a_style_says_what_to_type(mine: Path, tmp_path: Path, nst_live: NstLive) -> None:
    (tmp_path / "photos").mkdir()
    told = nst_live(*ONE_FRAME, "-o", "painted.mp4", "--style", "photos")
    assert told.code == 2
    assert "photos is a folder, type --styles photos to have its pictures as styles" in told.complaint


def test_a_picture_that_is_not_named_like_one_is_one(postcard: Path, tmp_path: Path, nst_live: NstLive) -> None:
    postcard.rename(tmp_path / "postcard")
    told = nst_live(*ONE_FRAME, "-o", "painted.mp4", "--style", "postcard")
    assert told.code == 0, told.err


# the catalog ----------------------------------------------------------------------------------------------------------


def test_pictures_in_the_folder_are_styles_that_hide_the_shipped_ones(mine: Path) -> None:
    for name in ("b.png", "wave.jpg", "b.webp", ".hidden.png", "notes.txt"):
        if name != "notes.txt":
            save(mine / name, 1)
    (mine / "folder.jpg").mkdir()
    styles = load_all_styles("fast")
    assert names(styles) == sorted({*SHIPPED, "b", "b.webp"})
    assert [style.caption for style in styles if style.name == "wave"] == ["wave"]
    assert not any(style.is_ready for style in styles if style.name in {"b", "wave"})


def test_what_was_trained_comes_before_the_picture_of_that_name(mine: Path) -> None:
    save(mine / "mine.png", 1)
    wave = load_style(SHIPPED_FOLDER / "fast" / "wave.safetensors")
    save_style(mine / "fast" / "mine.safetensors", wave.vector, wave.metadata)
    (style,) = (style for style in load_all_styles("fast") if style.name == "mine")
    assert style.is_ready


def test_a_named_picture_is_in_the_catalog_once_and_under_a_free_name(mine: Path, tmp_path: Path) -> None:
    inside, outside = save(mine / "a.png", 1), save(tmp_path / "wave.jpg", 2)
    styles, (a, wave, again) = load_named_styles([str(inside), str(outside), "wave"], "fast")
    assert (a.name, wave.name, again.name) == ("a", "wave.jpg", "wave")
    assert names(styles) == sorted([*SHIPPED, "a", "wave.jpg"])
    styles, (by_name,) = load_named_styles(["a"], "fast")
    assert names(styles) == sorted([*SHIPPED, "a"])
    assert by_name in styles


def test_a_style_of_another_version_of_the_net_is_predicted_again_from_its_picture(mine: Path) -> None:
    vector = load_style(SHIPPED_FOLDER / "fast" / "wave.safetensors").vector
    facts = {"network": "fast", NETWORK_SHA256: "0" * 64, "title": "Old", "artist": "Somebody"}
    for name, copy in (("old", small_copy(textured(60, 80, 4))), ("older", small_copy(textured(60, 80, 5)))):
        save_style(mine / "fast" / f"{name}.safetensors", vector, facts, copy)
    save_style(mine / "fast" / "lost.safetensors", vector, facts)
    reported: list[str] = []
    styles, (old,) = load_named_styles(["old"], "fast", reported.append)
    assert names(styles) == sorted([*SHIPPED, "old", "older"])
    assert old.caption == "Old, Somebody"
    assert old.vector is not None
    assert not np.allclose(old.vector, vector, atol=1e-3)
    assert len(reported) == 2, reported
    assert "lost.safetensors was trained with another version" in reported[0]
    assert reported[1].startswith("2 styles were made for another version of the net 'fast': predicted again")


def test_of_a_thousand_pictures_none_is_read_at_the_start(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = save(mine / "first.jpg", 1).read_bytes()
    for number in range(1000):
        (mine / f"picture{number:04}.jpg").write_bytes(data)
    monkeypatch.setattr("realtime.stylize.prediction.read_photo", lambda *_: pytest.fail("a picture is read"))
    styles, _ = load_named_styles(["picture0500"], "fast")
    assert len(styles) == 1001 + len(SHIPPED)


# the Python API -------------------------------------------------------------------------------------------------------


def test_the_api_takes_pictures(postcard: Path, mine: Path) -> None:
    image = textured(48, 64, 3)
    with rt.Stylizer(postcard, net="fast") as stylize:
        one = stylize(image)
        stylize.style = {str(postcard): 0.5, "wave": 0.5}
        other = stylize(image)
    assert one.shape == image.shape
    assert np.abs(one.astype(int) - other).mean() > 0
    with pytest.raises(rt.PhotoError, match=r"no file none\.jpg"):
        rt.Stylizer("none.jpg", net="fast")
    postcard.write_bytes(b"damaged")
    with pytest.raises(rt.PhotoError, match="its format is unknown"):
        rt.Stylizer(postcard, net="fast")


def test_pictures_are_listed(mine: Path, nst_live: NstLive) -> None:
    path = save(mine / "a.png", 1)
    (style,) = (style for style in rt.list_styles("fast") if style.name == "a")
    assert (style.network, style.path, style.title) == ("fast", path, "a")
    assert sum(style.name == "a" for style in rt.list_styles()) == 2
    lines = nst_live("--list-styles").out.splitlines()
    assert [line.split() for line in lines if line.startswith("a ")] == [["a", "fast", "a"], ["a", "full", "a"]]


def test_only_the_pictures_that_are_painted_with_are_read(
    postcard: Path, mine: Path, tmp_path: Path, nst_live: NstLive
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 12, size=(64, 48))
    save(mine / "other.png", 1)
    told = nst_live("-i", clip, "-o", "p.mp4", "--resume", "--net", "fast", "--style", postcard)
    assert told.code == 0, told.err
    assert len(list((tmp_path / "cache/nst-live/predictions").iterdir())) == 1
