"""Makes the moving picture of the README from the bundled scene: make moving-picture

The frames come from `nst-live` itself: once as the camera would see the scene, once painted in one style after another.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from realtime.app.main import main as nst_live
from realtime.frames import Pixels
from tools.make_pictures import FOLDER, labelled

STYLES = ("wave", "wreck", "la_muse", "scream", "udnie", "rain_princess")
SIZE = "480x270"
# The bundled scene has 30 frames a second; every second one is kept.
FPS, EVERY = 30, 2
# The first style is seen for longer, since the scene is uncovered meanwhile.
FIRST_STYLE_S, STYLE_S, FADE_S = 2.4, 1.4, 0.5
# The line between scene and painting moves from left to right during these seconds.
WIPE_FROM_S, WIPE_TO_S = 0.5, 1.3
WEBP_QUALITY = 40
MAX_BYTES = 2_000_000


def seconds_by_style() -> Sequence[tuple[str, float]]:
    """Returns the playlist: each style and for how many seconds it is shown."""
    return [(name, STYLE_S if index else FIRST_STYLE_S) for index, name in enumerate(STYLES)]


def render(folder: Path, *options: str) -> list[Pixels]:
    """Returns the frames that `nst-live -i test` writes with these options: H x W x 3 uint8 RGB.

    Raises:
        RuntimeError: the command failed; it has printed why.
    """
    count = round(FPS * sum(seconds for _, seconds in seconds_by_style()))
    folder.mkdir()
    fixed = ("--size", SIZE, "--frames", str(count), "--no-window", "-o", str(folder / "frame_%05d.png"))
    if code := nst_live(["-i", "test", *fixed, *options]):
        raise RuntimeError(f"nst-live ended with exit code {code}")
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png"))[::EVERY]]


def style_at(at_s: float) -> str:
    """Returns the style that is shown at that moment; during a fade, the one that is seen more of."""
    end_s = FADE_S / 2
    for name, seconds in seconds_by_style():
        end_s += seconds
        if at_s < end_s:
            return name
    return STYLES[-1]


def composed(scene: Pixels, painting: Pixels, at_s: float) -> Pixels:
    """Returns the frame shown at that moment: the scene, the painting, or both with a line between them."""
    share = min(1.0, max(0.0, (at_s - WIPE_FROM_S) / (WIPE_TO_S - WIPE_FROM_S)))
    column = round(share * scene.shape[1])
    frame = np.hstack([painting[:, :column], scene[:, column:]])
    if 0 < share < 1:
        frame[:, max(0, column - 1) : column + 1] = 255
    return labelled(frame, "camera" if share < 0.5 else style_at(at_s))


def main() -> None:
    playlist = ",".join(f"{name}:{seconds:g}" for name, seconds in seconds_by_style())
    with tempfile.TemporaryDirectory() as folder:
        scene = render(Path(folder) / "scene", "--strength", "0")
        shown = ("--style", STYLES[0], "--playlist", playlist, "--fade", str(FADE_S))
        painted = render(Path(folder) / "painted", *shown)
    frames = [
        Image.fromarray(composed(*each, at_s=index * EVERY / FPS))
        for index, each in enumerate(zip(scene, painted, strict=True))
    ]
    path = FOLDER / "live.webp"
    duration_ms = round(1000 * EVERY / FPS)
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=duration_ms, loop=0, quality=WEBP_QUALITY, method=4
    )
    if (size := path.stat().st_size) > MAX_BYTES:
        raise RuntimeError(f"{path} has {size} bytes, expected at most {MAX_BYTES}: lower WEBP_QUALITY")


if __name__ == "__main__":
    main()
