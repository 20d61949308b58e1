"""The artefact check finds what it is for, and nothing in pictures that are clean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from styles.evaluation.artefacts import find_artefacts
from tests.styles.conftest import textured

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photos() -> list[Picture]:
    return [textured(192, 192, seed, grain) for seed, grain in enumerate(4 * (0.8, 1.2, 2.0, 3.0))]


@pytest.fixture(scope="module")
def paintings() -> list[Picture]:
    """Others than the photographs, with broader strokes."""
    return [textured(192, 192, seed + 50, grain) for seed, grain in enumerate(4 * (1.0, 1.5, 2.5, 3.5))]


def checkerboard(picture: Picture) -> Picture:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return shifted(picture, 6 * (-1) ** (x + y))


def dots(picture: Picture) -> Picture:
    """One brighter pixel in each 4 x 4, in one quarter of the picture only."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return shifted(picture, 25 * ((x % 4 == 0) & (y % 4 == 0) & (x < 96) & (y < 96)))


def dark_frame(picture: Picture) -> Picture:
    return shifted(picture, -40 * (from_edge(picture) < 8))


def blank_frame(picture: Picture) -> Picture:
    blank = picture.copy()
    blank[from_edge(picture) < 6] = 128
    return blank


def noisy_frame(picture: Picture) -> Picture:
    noise = np.random.default_rng(0).normal(0, 25, picture.shape[:2])
    return shifted(picture, noise * (from_edge(picture) < 4))


def from_edge(picture: Picture) -> NDArray[np.int64]:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return np.asarray(np.minimum(np.minimum(x, x[:, ::-1]), np.minimum(y, y[::-1])))


def shifted(picture: Picture, change: NDArray[Any]) -> Picture:
    return np.asarray(np.clip(picture + change[:, :, None], 0, 255), dtype=np.uint8)


def test_clean_paintings_pass(photos: list[Picture], paintings: list[Picture]) -> None:
    found = find_artefacts(photos, paintings)
    assert found.found == ()
    assert 0.5 < found.period2 < 1.5
    assert 0.5 < found.period4 < 1.5


def test_a_flat_painting_is_clean_of_dots(photos: list[Picture]) -> None:
    flat = [np.full_like(photo, 77) for photo in photos]
    found = find_artefacts(photos, [shifted(p, np.linspace(0, 9, 192)[None]) for p in flat])
    assert "pattern" not in " ".join(found.found)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (checkerboard, "a pattern of 2 pixels"),
        (dots, "a pattern of 4 pixels"),
        (dark_frame, "an edge brighter or darker than the inside"),
        (blank_frame, "an edge emptier than the inside"),
        (noisy_frame, "an edge busier than the inside"),
    ],
)
def test_what_is_spoiled_is_named(
    photos: list[Picture], paintings: list[Picture], spoil: Callable[[Picture], Picture], words: str
) -> None:
    assert words in find_artefacts(photos, [spoil(painting) for painting in paintings]).found


def test_what_grows_darker_all_the_way_to_the_edge_is_no_frame(photos: list[Picture], paintings: list[Picture]) -> None:
    darker = [shifted(painting, 0.6 * from_edge(painting) - 30) for painting in paintings]
    assert find_artefacts(photos, darker).found == ()


def room(seed: int) -> Picture:
    """A coloured thing before a wall that is flat but for the camera's noise."""
    noise = np.random.default_rng(seed).normal(0, 3, (192, 192, 3))
    wall = np.full((192, 192, 3), (150, 150, 140)) + noise
    wall[60:140, 60:140] = textured(80, 80, seed)
    return np.asarray(np.clip(wall, 0, 255), dtype=np.uint8)


def blobs(picture: Picture) -> Picture:
    """What a net paints that has lost the wall: patches of 24 pixels of one colour each, as in a poster."""
    small = picture[12::24, 12::24] // 32 * 32
    return np.ascontiguousarray(small.repeat(24, axis=0).repeat(24, axis=1))


def test_a_wall_in_blobs_of_one_colour_is_named_and_one_in_strokes_is_not() -> None:
    rooms = [room(seed) for seed in range(4)]
    strokes = [shifted(each, textured(192, 192, 9).astype(float)[:, :, 0] / 8 - 16) for each in rooms]
    assert "flat blobs" not in find_artefacts(rooms, rooms).found
    assert "flat blobs" not in find_artefacts(rooms, strokes).found
    found = find_artefacts(rooms, [blobs(each) for each in rooms])
    assert "flat blobs" in found.found
    assert 0.3 < found.blobs <= 1


def test_edges_in_stronger_colours_than_the_styles_are_named() -> None:
    rooms = [room(seed) for seed in range(4)]
    style = textured(100, 100, seed=3) // 4 + 96  # pale
    grey = [each.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8) for each in rooms]
    fringed = [each.copy() for each in grey]
    for picture in fringed:
        picture[58:63, 58:142] = picture[137:142, 58:142] = (255, 0, 255)
        picture[58:142, 58:63] = picture[58:142, 137:142] = (0, 255, 0)
    assert "coloured fringes" not in find_artefacts(rooms, grey, style).found
    assert "coloured fringes" in find_artefacts(rooms, fringed, style).found
    colourful = textured(100, 100, seed=3, grain=1.0)
    assert (
        "coloured fringes"
        not in find_artefacts(rooms, [colourful.repeat(2, 0).repeat(2, 1)[:192, :192]] * 4, colourful).found
    )


def test_what_the_photographs_have_themselves_is_not_blamed_on_the_painting(photos: list[Picture]) -> None:
    framed = [dark_frame(photo) for photo in photos]
    assert find_artefacts(framed, framed).found == ()


def test_paintings_of_one_colour_have_finite_figures(photos: list[Picture]) -> None:
    found = find_artefacts(photos, [np.full_like(photo, 77) for photo in photos])
    assert found.fringes is None
    assert all(np.isfinite(value) for value in vars(found).values() if value is not None)
