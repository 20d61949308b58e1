"""Makes the pictures of README and tutorial from four photographs of scikit-image: python -m tools.make_pictures

Everything is painted by `nst-live` itself, so the pictures show what users get.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from realtime.app.main import main as nst_live
from realtime.frames import Pixels
from styles.registry import PICTURES, list_networks

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
# A cup of coffee, Rachel Michetti, and the cat Chelsea, Stefan van der Walt, both released into the public domain; the
# astronaut Eileen Collins, NASA; a rocket, SpaceX, released into the public domain.
COFFEE: Callable[[], Pixels] = data.coffee
PHOTOS: tuple[Callable[[], Pixels], ...] = (data.coffee, data.chelsea, data.astronaut, data.rocket)
_SHEET_SIDE = 300
_STILL_FRAMES = 12


def paint(photo: Pixels, *options: str) -> Pixels:
    """Returns the photograph as `nst-live` paints it with these options. Both are H x W x 3 uint8 RGB."""
    with tempfile.TemporaryDirectory() as folder:
        given, painted = Path(folder) / "given.png", Path(folder) / "painted.png"
        Image.fromarray(photo).save(given)
        run("-i", str(given), "-o", str(painted), *options)
        return np.asarray(Image.open(painted).convert("RGB"))


def paint_frames(frames: Sequence[Pixels], *options: str) -> list[Pixels]:
    """Returns the frames as `nst-live` paints them as one film."""
    with tempfile.TemporaryDirectory() as folder:
        given, painted = Path(folder) / "given_%05d.png", Path(folder) / "painted_%05d.png"
        for index, frame in enumerate(frames):
            Image.fromarray(frame).save(str(given) % index)
        run("-i", str(given), "-o", str(painted), *options)
        return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(Path(folder).glob("painted_*"))]


def run(*argv: str) -> None:
    """Runs `nst-live`.

    Raises:
        RuntimeError: the command failed; it has printed why.
    """
    if code := nst_live(argv):
        raise RuntimeError(f"nst-live ended with exit code {code}")


def labelled(pixels: Pixels, text: str) -> Pixels:
    """Returns the image with a dark label in its lower left corner."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image, "RGBA")
    font = ImageFont.load_default(20)
    left, top, right, bottom = draw.textbbox((14, image.height - 14), text, font=font, anchor="ld")
    draw.rounded_rectangle((left - 8, top - 6, right + 8, bottom + 6), radius=8, fill=(12, 14, 18, 190))
    draw.text((14, image.height - 14), text, font=font, anchor="ld", fill="white")
    return np.asarray(image)


def flicker_strip(photo: Pixels) -> Pixels:
    """Returns a painting of a still scene and, brightened, what changes from one frame to the next, without and with
    --steady. The camera adds noise with a standard deviation of 3 levels of 255.
    """
    rng = np.random.default_rng(0)
    frames = [
        np.clip(np.rint(photo + 3 * rng.standard_normal(photo.shape)), 0, 255).astype(np.uint8)
        for _ in range(_STILL_FRAMES)
    ]
    plain, steady = (
        paint_frames(frames, "--style", "wreck", "--net", "fast", *options) for options in (("--steady", "0"), ())
    )
    changes = [
        np.clip(10 * np.abs(film[-1].astype(int) - film[-2]), 0, 255).astype(np.uint8) for film in (plain, steady)
    ]
    texts = ("wreck", "what flickers, without --steady (x 10)", "with --steady (x 10)")
    return np.hstack([labelled(each, text) for each, text in zip([steady[-1], *changes], texts, strict=True)])


def contact_sheet(networks: Sequence[str]) -> Pixels:
    """Returns the photographs, and below them a row for every style with what each net makes of them."""
    photos = squares(_SHEET_SIDE)
    rows = [np.hstack([labelled(photo, "photograph") for photo in photos] * len(networks))]
    for name in PICTURES:
        cells = [
            labelled(paint(photo, "--style", name, "--net", network), f"{name}, {network}")
            for network in networks
            for photo in photos
        ]
        rows.append(np.hstack(cells))
    return np.vstack(rows)


def styles_sheet(photo: Pixels) -> Pixels:
    """Returns the photograph in every style, three in a row."""
    cells = [labelled(paint(photo, "--style", name), name) for name in PICTURES]
    return np.vstack([np.hstack(cells[start : start + 3]) for start in range(0, len(cells), 3)])


def walk(photo: Pixels, first: str, last: str, steps: int = 5) -> Pixels:
    """Returns the photograph painted in one style, in mixes that lead to the other, and in that one, side by side."""
    shares = np.linspace(0, 1, steps)[1:-1]
    mixes = [("--mix", f"{first}:{1 - share:g},{last}:{share:g}") for share in shares]
    painted = [paint(photo, *options) for options in (("--style", first), *mixes, ("--style", last))]
    return np.hstack([each[:, 100:500] for each in painted])


def save(pixels: Pixels, name: str, quality: int, size: tuple[int, int] | None = None) -> None:
    """Writes an image into the folder, scaled to `size` (width, height) if there is one."""
    image = Image.fromarray(pixels)
    if size is not None:
        image = image.resize(size, Image.Resampling.LANCZOS)
    image.save(FOLDER / f"{name}.jpg", quality=quality)


def squares(side: int) -> list[Pixels]:
    """Returns the middle of each photograph, side x side."""
    return [square(photo(), side) for photo in PHOTOS]


def square(photo: Pixels, side: int) -> Pixels:
    """Returns the middle of an image, side x side."""
    short = min(photo.shape[:2])
    top, left = (photo.shape[0] - short) // 2, (photo.shape[1] - short) // 2
    middle = photo[top : top + short, left : left + short]
    return np.array(Image.fromarray(middle).resize((side, side), Image.Resampling.LANCZOS))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    coffee = np.ascontiguousarray(COFFEE())
    save(np.hstack([coffee, paint(coffee, "--style", "wreck")]), "coffee-wreck", 88)
    save(styles_sheet(coffee), "styles", 88, (1350, 600))
    save(contact_sheet([name for name in ("fast", "full") if name in list_networks()]), "contact-sheet", 78)
    save(flicker_strip(coffee), "steady", 86, (1350, 300))
    save(walk(coffee, "wave", "wreck"), "wave-to-wreck", 86, (1400, 280))


if __name__ == "__main__":
    main()
