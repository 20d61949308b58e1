"""Links as QR codes: for the terminal, for a page, and for the screen."""

from __future__ import annotations

import io

import numpy as np
import segno

from realtime.frames import Pixels


def qr_svg(link: str) -> bytes:
    """Returns a QR code as an SVG document."""
    out = io.BytesIO()
    segno.make(link, error="m", micro=False).save(out, kind="svg", scale=4, border=2, light="#fff")
    return out.getvalue()


def qr_text(link: str) -> str:
    """Returns a QR code as lines of half blocks for a dark terminal."""
    out = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(out, border=1, compact=True)
    return out.getvalue().rstrip("\n")


def qr_pixels(link: str, scale: int) -> Pixels:
    """Returns a QR code as H x W x 3 uint8 RGB, dark on white.

    Args:
        link: what it says.
        scale: pixels a module.
    """
    modules = np.array([list(row) for row in segno.make(link, error="m", micro=False).matrix_iter(border=2)])
    grey = np.where(modules, 0, 255).astype(np.uint8).repeat(scale, axis=0).repeat(scale, axis=1)
    return np.repeat(grey[:, :, None], 3, axis=2)
