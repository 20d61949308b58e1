"""Paints an image: python examples/image.py photo.jpg painted.jpg"""

from __future__ import annotations

import argparse

import realtime as rt

parser = argparse.ArgumentParser(description="Paint an image.")
parser.add_argument("image", help="the image to paint")
parser.add_argument("output", help="the file for the painting")
parser.add_argument("--style", default="wave", help="a style by name (default: %(default)s)")
args = parser.parse_args()

pixels = rt.read_image(args.image)
with rt.Stylizer(args.style) as stylize:
    painted = stylize(pixels)
rt.write_image(args.output, painted, overwrite=True)
print(f"painted {args.image} into {args.output} ({painted.shape[1]}x{painted.shape[0]})")
