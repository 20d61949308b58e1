"""Makes the screenshots of the docs from the bundled scene in a real window: python -m tools.make_screenshots

It needs Xvfb, xdotool and chromium, and writes into docs/pictures. The HUD shows the frame rate, so run it on a quiet
machine. With the word "page" only the pictures of the page of controls are made.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from tests.realtime.on_screen import OnScreen, x_server
from tests.realtime.remote.browser import open_browser
from tests.realtime.servers import free_port

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
# The keys that are pressed before each picture; a number is the share of the width to which the mouse drags the line.
PICTURES: Mapping[str, Sequence[str | float]] = {
    "window-hud": ("r",),
    "window-help": ("r", "h"),
    "window-split": ("h", "v", "v", 0.42),
}
# Width and height of the page, and whether it is a phone.
PAGES: Mapping[str, tuple[int, int, bool]] = {
    "page-desktop": (1280, 1120, False),
    "page-phone": (390, 844, True),
}
# A busy machine paints only a few frames a second, and paints the thumbnails in between.
PATIENCE_S = 3.0


def main() -> None:
    if "page" not in sys.argv[1:]:
        picture_window()
    picture_page()


def picture_page() -> None:
    """Makes the pictures of the page of controls, on a desk and on a phone."""
    port = free_port()
    arguments = ["-i", "test", "--size", "640x480", "--net", "fast", "--no-window", "--control", str(port)]
    command = [sys.executable, "-m", "realtime.app.main", *arguments]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as show, open_browser() as browser:
        try:
            page = browser.new_page()
            for name, (width, height, is_phone) in PAGES.items():
                page.resize(width, height, mobile=is_phone)
                time.sleep(PATIENCE_S)
                page.open(f"http://127.0.0.1:{port}/")
                page.wait_for("document.querySelector('[data-painting]').naturalWidth > 0")
                if is_phone:
                    page.wait_for("document.querySelector('[data-weight=wave]')")
                    page.set_slider("[data-weight=wave]", 0.6)
                page.wait_for("[...document.querySelectorAll('.card img')].every(each => each.naturalWidth > 0)")
                time.sleep(2 * PATIENCE_S)
                page.screenshot(FOLDER / f"{name}.png")
                with Image.open(FOLDER / f"{name}.png") as image:
                    small = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
                small.save(FOLDER / f"{name}.jpg", quality=76, optimize=True)
                (FOLDER / f"{name}.png").unlink()
        finally:
            show.terminate()


def picture_window() -> None:
    """Makes the pictures of the window."""
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
