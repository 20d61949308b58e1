"""A single picture, saved as PNG."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from realtime.frames import Pixels


def save_snapshot(path: Path, pixels: Pixels) -> None:
    """Writes H x W x 3 uint8 RGB. Raises OSError."""
    Image.fromarray(pixels).save(path)
