"""A painting in the colours of another picture: their mean and spread, everywhere, and steady over time."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from realtime.frames import Pixels
from realtime.media.photo import Photo, PhotoError
from realtime.sources.scene import Scene
from realtime.stylize.colors import Palette, color_map, coloring, palette_of, read_palette, recolored
from tests.styles.conftest import textured

SUNSET = np.clip(textured(90, 120, 1).astype(int) * (0.5, 0.3, 0.15) + (110, 40, 20), 0, 255).astype(np.uint8)


def in_sunset(painted: Pixels, palette: Palette | None = None) -> Pixels:
    palette = palette or palette_of(Photo(SUNSET), "sunset.jpg")
    return recolored(painted, color_map(painted, palette))


def opponents(pixels: Pixels) -> np.ndarray:
    """The two opponent colours of each pixel, around 0."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb).reshape(-1, 3)[:, 1:].astype(float) - 128


def test_a_painting_gets_the_mean_and_the_spread_of_the_pictures_colours() -> None:
    painted = in_sunset(textured(80, 100, 7))
    assert opponents(painted).mean(axis=0) == pytest.approx(opponents(SUNSET).mean(axis=0), abs=1.5)
    assert opponents(painted).std(axis=0) == pytest.approx(opponents(SUNSET).std(axis=0), abs=1.5)


def test_it_takes_half_of_the_brightness_and_keeps_its_shapes() -> None:
    before = textured(80, 100, 7)
    grey, after = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(float) for each in (before, in_sunset(before)))
    sunset = cv2.cvtColor(SUNSET, cv2.COLOR_RGB2GRAY).mean()
    assert after.mean() == pytest.approx((grey.mean() + sunset) / 2, abs=2)
    assert np.corrcoef(grey.ravel(), after.ravel())[0, 1] > 0.8


def test_its_own_colours_change_nothing() -> None:
    painted = textured(80, 100, 7)
    assert np.abs(in_sunset(painted, palette_of(Photo(painted), "own")).astype(int) - painted).max() <= 1


@pytest.mark.parametrize("level", [0, 128, 255])
def test_what_is_all_of_one_colour_gets_no_noise(level: int) -> None:
    flat = np.full((40, 40, 3), level, np.uint8)
    flat[::2, ::2] = max(1, level) - 1
    painted = in_sunset(flat)
    assert np.ptp(painted.reshape(-1, 3).astype(int), axis=0).max() <= 4
    grey = np.full((40, 40, 3), level, np.uint8)
    assert np.ptp(in_sunset(textured(80, 100, 7), palette_of(Photo(grey), "grey")).astype(int), axis=2).max() < 90


def test_colours_stay_steady_while_the_scene_moves() -> None:
    scene, palette = Scene(160, 120), palette_of(Photo(SUNSET), "sunset.jpg")
    grey = np.full((1, 1, 3), 128, np.uint8)
    seen = [recolored(grey, color_map(scene.draw(index), palette)).astype(int) for index in range(0, 20)]
    assert max(np.abs(one - other).max() for one, other in itertools.pairwise(seen)) <= 2


def test_transparent_parts_have_no_colours(tmp_path: Path) -> None:
    pixels = np.full((20, 20, 4), (0, 255, 0, 0), np.uint8)
    pixels[5:10, 5:10] = (200, 30, 30, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[5:10, 5:10, :3]).save(tmp_path / "b.png")
    assert read_palette(tmp_path / "a.png").mean == pytest.approx(read_palette(tmp_path / "b.png").mean)


@pytest.mark.parametrize(("mode", "frames"), [("L", 1), ("1", 1), ("P", 1), ("I;16", 1), ("RGB", 3)])
def test_grey_odd_and_animated_pictures_have_colours(mode: str, frames: int, tmp_path: Path) -> None:
    image = Image.fromarray(textured(1 if mode == "1" else 33, 40, 2))
    image = Image.new(mode, (40, 30), 300) if mode == "I;16" else image.convert(mode)
    name = tmp_path / ("a.webp" if frames > 1 else "a.png")
    image.save(name, save_all=frames > 1, append_images=[image] * (frames - 1)) if frames > 1 else image.save(name)
    assert np.isfinite(color_map(textured(20, 20, 0), read_palette(name))).all()


def test_whose_colours_are_asked_for(tmp_path: Path) -> None:
    Image.fromarray(SUNSET).save(tmp_path / "sunset.png")
    assert (coloring(None).name, coloring(None, keep_colors=True).name, coloring("style", keep_colors=True).name) == (
        *("style", "source", "style"),
    )
    chosen = coloring(str(tmp_path / "sunset.png"))
    assert (chosen.name, chosen.of_source) == ("picture", False)
    assert chosen.palette is not None
    assert chosen.palette.name == "sunset.png"
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    for name, words in (("bad.jpg", "bad.jpg"), ("none.jpg", "no file .*none.jpg; expected style, source or a pict")):
        with pytest.raises(PhotoError, match=words):
            coloring(str(tmp_path / name))
