"""The brush and the zoom: what they do to films, photos and in Python, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import realtime as rt
from realtime.media.photo import Photo, read_photo, write_photo
from realtime.stylize import photo_painter
from tests.realtime.clips import colourful, read_clip, write_clip
from tests.realtime.conftest import NstLive
from tests.realtime.encoders import write_encoder
from tests.styles.conftest import textured

SIZE = (128, 96)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    write_photo(tmp_path / "photo.png", Photo(textured(96, 128, 1)))
    return tmp_path / "photo.png"


def fineness(pixels: np.ndarray) -> float:
    """Returns how much neighbouring pixels differ."""
    return float(np.abs(np.diff(pixels.astype(int), axis=1)).mean())


def test_a_film_is_painted_with_a_coarser_brush_from_its_first_frame(tmp_path: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 4, size=SIZE, draw=colourful)
    paintings = []
    for brush in ("1", "0.5"):
        told = nst_live("-i", clip, "-o", "p.mp4", "-y", "--net", "fast", "--style", "wreck", "--brush", brush)
        assert told.code == 0, told.err
        paintings.append(read_clip(tmp_path / "p.mp4").pictures)
    for whole, coarse in zip(*paintings, strict=True):
        assert coarse.shape == whole.shape
        assert np.abs(coarse.astype(int) - whole).mean() > 2


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in bands"])
def test_a_photo_is_painted_with_a_coarser_brush(
    whole: bool, photo: Path, tmp_path: Path, nst_live: NstLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not whole:
        monkeypatch.setattr(photo_painter, "MOST_PIXELS_WHOLE", 1000)
    paintings = []
    for brush in ("1", "0.5"):
        told = nst_live("-i", photo, "-o", "p.png", "-y", "--net", "fast", "--style", "wreck", "--brush", brush)
        assert told.code == 0, told.err
        paintings.append(read_photo(tmp_path / "p.png").pixels)
    assert paintings[0].shape == paintings[1].shape
    assert fineness(paintings[1]) < fineness(paintings[0])


def test_the_api_has_the_brush_too() -> None:
    image = textured(96, 128, 1)
    with rt.Stylizer("wreck", net="fast") as fine, rt.Stylizer("wreck", net="fast", brush=0.5) as coarse:
        assert fineness(coarse(image)) < fineness(fine(image))
        assert coarse(image, at_s=0.0).shape == image.shape


def test_a_zoom_changes_what_is_seen_of_a_picture(
    photo: Path, tmp_path: Path, nst_live: NstLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NST_LIVE_STYLES", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_encoder(tmp_path / "mine")
    for zoom in ("1", "2"):
        told = nst_live("-i", photo, "-o", "p.png", "-y", "--net", "fast", "--style", photo, "--style-zoom", zoom)
        assert told.code == 0, told.err
    assert len(list((tmp_path / "cache/nst-live/predictions").iterdir())) == 2
    with rt.Stylizer(photo, net="fast", style_zoom=2):
        assert len(list((tmp_path / "cache/nst-live/predictions").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--brush", "0"), "'0' is not a brush; expected a number from 0.25 to 1"),
        (("--brush", "2"), "'2' is not a brush; expected a number from 0.25 to 1"),
        (("--style-zoom", "9"), "'9' is not a zoom; expected a number from 0.25 to 4"),
        (("--style-zoom", "near"), "'near' is not a zoom"),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...], text: str, nst_live: NstLive) -> None:
    told = nst_live("-i", "test", *words)
    assert told.code == 2
    assert text in told.err
    name = words[0].removeprefix("--").replace("-", "_")
    with pytest.raises(ValueError, match=f"{name} is 99, expected a number from 0.25 to"):
        rt.Stylizer(**{name: 99})  # type: ignore[arg-type]
