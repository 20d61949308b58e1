"""Makes the pictures of README and tutorial from a photograph of scikit-image: python tools/make_pictures.py"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from realtime.backends import choose_backend
from realtime.frames import Frame, Pixels
from realtime.session import DEFAULT_STEADINESS
from realtime.stylize.mixing import mixed
from realtime.stylize.stabilizer import Stabilizer
from realtime.stylize.styles import LoadedStyle, load_styles
from realtime.stylize.stylizer import FrameStylizer
from styles.registry import list_networks

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
# A cup of coffee, Rachel Michetti, and the cat Chelsea, Stefan van der Walt, both released into the public domain; the
# astronaut Eileen Collins, NASA.
COFFEE: Callable[[], Pixels] = data.coffee
PHOTOS: tuple[Callable[[], Pixels], ...] = (data.coffee, data.chelsea, data.astronaut)
_SHEET_SIDE = 300


def paint(photo: Pixels, paintings: Sequence[LoadedStyle]) -> list[Pixels]:
    """Returns the photograph in every style."""
    with FrameStylizer(choose_backend().backend) as stylizer:
        painted = []
        for painting in paintings:
            stylizer.start(Frame(photo, 0, 0.0), painting)
            painted.append(stylizer.finish().pixels)
        return painted


def labelled(picture: Pixels, text: str) -> Pixels:
    """Returns the picture with a dark label in its lower left corner."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image, "RGBA")
    font = ImageFont.load_default(20)
    left, top, right, bottom = draw.textbbox((14, image.height - 14), text, font=font, anchor="ld")
    draw.rounded_rectangle((left - 8, top - 6, right + 8, bottom + 6), radius=8, fill=(12, 14, 18, 190))
    draw.text((14, image.height - 14), text, font=font, anchor="ld", fill="white")
    return np.asarray(image)


def flicker_strip(photo: Pixels, painting: LoadedStyle) -> Pixels:
    """Returns a painting of a still scene and, brightened, what changes from one frame to the next, without and with
    --steady: the camera adds noise of sigma 3.
    """
    rng = np.random.default_rng(0)
    frames = [
        np.clip(np.rint(photo + 3 * rng.standard_normal(photo.shape)), 0, 255).astype(np.uint8) for _ in range(12)
    ]
    steadier = Stabilizer()
    plain = [paint(frame, [painting])[0] for frame in frames]
    steady = [
        steadier.blend(each, steadier.watch(frame, painting, DEFAULT_STEADINESS))
        for frame, each in zip(frames, plain, strict=True)
    ]
    changes = [
        np.clip(10 * np.abs(pictures[-1].astype(int) - pictures[-2]), 0, 255).astype(np.uint8)
        for pictures in (plain, steady)
    ]
    texts = ("wreck", "what flickers, without --steady (x 10)", f"with --steady {DEFAULT_STEADINESS:g} (x 10)")
    return np.hstack([labelled(each, text) for each, text in zip([steady[-1], *changes], texts, strict=True)])


def contact_sheet(networks: Sequence[str]) -> Pixels:
    """Returns the photographs, and a row for every style with what each net makes of them."""
    photos = [np.ascontiguousarray(_square(photo())) for photo in PHOTOS]
    repertoires = [load_styles("wreck", network)[0] for network in networks]
    rows = [np.hstack([labelled(photo, "photograph") for photo in photos] * len(networks))]
    for place, painting in enumerate(repertoires[0]):
        cells = [
            labelled(paint(photo, [repertoire[place]])[0], f"{painting.name}, {network}")
            for network, repertoire in zip(networks, repertoires, strict=True)
            for photo in photos
        ]
        rows.append(np.hstack(cells))
    return np.vstack(rows)


def _square(photo: Pixels) -> Pixels:
    side = min(photo.shape[:2])
    top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
    small = Image.fromarray(photo[top : top + side, left : left + side]).resize((_SHEET_SIDE, _SHEET_SIDE))
    return np.asarray(small)


def main() -> None:
    paintings, wreck = load_styles("wreck", "fast")
    FOLDER.mkdir(parents=True, exist_ok=True)
    coffee = np.ascontiguousarray(COFFEE())
    painted = paint(coffee, paintings)
    Image.fromarray(np.hstack([coffee, painted[wreck]])).save(FOLDER / "coffee-wreck.jpg", quality=88)
    sheet = [labelled(each, painting.name) for each, painting in zip(painted, paintings, strict=True)]
    rows = [np.hstack(sheet[start : start + 3]) for start in range(0, len(sheet) - len(sheet) % 3, 3)]
    Image.fromarray(np.vstack(rows)).resize((1350, 600), Image.Resampling.LANCZOS).save(
        FOLDER / "styles.jpg", quality=88
    )
    networks = [name for name in ("fast", "full") if name in list_networks()]
    Image.fromarray(contact_sheet(networks)).save(FOLDER / "contact-sheet.jpg", quality=78)
    strip = flicker_strip(coffee, paintings[wreck])
    Image.fromarray(strip).resize((1350, 300), Image.Resampling.LANCZOS).save(FOLDER / "steady.jpg", quality=86)
    by_name = {painting.name: painting for painting in paintings}
    walk = [mixed([(by_name["wave"], 1 - share), (by_name["wreck"], share)], "") for share in np.linspace(0, 1, 5)]
    strip = np.hstack([each[:, 100:500] for each in paint(coffee, walk)])
    Image.fromarray(strip).resize((1400, 280), Image.Resampling.LANCZOS).save(FOLDER / "wave-to-wreck.jpg", quality=86)


if __name__ == "__main__":
    main()
