"""The frame on the screen in which the camera is seen unpainted: what lies there becomes the next style."""

from __future__ import annotations

from realtime.frames import Pixels, Size

# The share of width and height that the frame takes, and the colour of its line.
_SHARE = 0.6
_LINE = (255, 255, 255)


def viewfinder_box(size: Size) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom of the frame, in the middle of pictures of that width and height."""
    width, height = size
    left, top = round(width * (1 - _SHARE) / 2), round(height * (1 - _SHARE) / 2)
    return left, top, max(left + 1, width - left), max(top + 1, height - top)


def with_viewfinder(painted: Pixels, photo: Pixels) -> Pixels:
    """Returns the painting with the photo inside the frame, both H x W x 3 uint8 RGB."""
    left, top, right, bottom = viewfinder_box((photo.shape[1], photo.shape[0]))
    line = max(1, photo.shape[1] // 320)
    framed = painted.copy()
    framed[max(0, top - line) : bottom + line, max(0, left - line) : right + line] = _LINE
    framed[top:bottom, left:right] = photo[top:bottom, left:right]
    return framed
