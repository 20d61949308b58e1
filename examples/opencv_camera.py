"""Paints frames in OpenCV's own camera loop: python examples/opencv_camera.py [CAMERA or FILE]; the key q quits."""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np

import realtime as rt

parser = argparse.ArgumentParser(description="Paint a camera in OpenCV's own loop.")
parser.add_argument("source", nargs="?", default="0", help="index of a camera, or a video file (default: 0)")
parser.add_argument("--style", default="wave", help="a style by name (default: %(default)s)")
args = parser.parse_args()

capture = cv2.VideoCapture(int(args.source) if args.source.isdecimal() else args.source)
if not capture.isOpened():
    parser.error(f"cannot open {args.source}; pass another index or a video file")
count, started_s = 0, time.monotonic()
with rt.Stylizer(args.style) as stylize:
    while True:
        good, bgr = capture.read()
        if not good:
            break
        rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        # with the time of its capture it is a frame of a video, which is held steady
        painted = stylize(rgb, at_s=time.monotonic())
        cv2.imshow("painted", cv2.cvtColor(painted, cv2.COLOR_RGB2BGR))
        count += 1
        if cv2.waitKey(1) & 0xFF == ord("q"):
            break
capture.release()
cv2.destroyAllWindows()
print(f"painted {count} frames, {count / (time.monotonic() - started_s):.1f} per second")
