"""Makes the screenshots of the docs from the bundled scene in a real window: python -m tools.make_screenshots

It needs Xvfb and xdotool, and writes into docs/pictures. The HUD shows the frame rate, so run it on a quiet machine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from tests.realtime.on_screen import OnScreen, x_server

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
# The keys that are pressed before each picture; a number is the share of the width to which the mouse drags the line.
PICTURES: Mapping[str, Sequence[str | float]] = {
    "window-hud": ("r",),
    "window-help": ("r", "h"),
    "window-split": ("h", "v", "v", 0.42),
}
# A busy machine paints only a few frames a second, and paints the thumbnails in between.
PATIENCE_S = 3.0


def main() -> None:
    with x_server() as display, tempfile.TemporaryDirectory() as captures:
        window = OnScreen(display, Path(captures), ["-i", "test", "--size", "640x480", "--style", "wreck"])
        try:
            window.wait_for_picture()
            time.sleep(3 * PATIENCE_S)
            for name, steps in PICTURES.items():
                for step in steps:
                    window.drag(step) if isinstance(step, float) else window.type(step)
                    time.sleep(PATIENCE_S)
                Image.fromarray(window.look()).save(FOLDER / f"{name}.jpg", quality=85, optimize=True)
            window.type("q")
            window.wait_for_end()
        finally:
            window.end()


if __name__ == "__main__":
    main()
