"""Paints a film with its sound, each half in another style: python examples/film.py in.mp4 out.mp4"""

from __future__ import annotations

import argparse

import realtime as rt

parser = argparse.ArgumentParser(description="Paint a film, each half in another style.")
parser.add_argument("film", help="the film to paint")
parser.add_argument("output", help="the file for the painting")
parser.add_argument("--styles", nargs=2, default=("wave", "wreck"), metavar="STYLE", help="default: wave wreck")
args = parser.parse_args()
first, second = args.styles

with (
    rt.Stylizer(first) as stylize,
    rt.open_source(args.film) as source,
    rt.Recorder(args.output, like=source, overwrite=True) as out,
):
    for note in (*source.notes, *out.notes):
        print(note)
    for painted in stylize.stream(source):
        out.write(painted)
        if source.frame_count is not None and painted.index == source.frame_count // 2:
            stylize.style = second
        if painted.index % 100 == 99:
            print(f"{painted.index + 1} of {source.frame_count or '?'} frames")
print(f"painted {out.frame_count} frames into {args.output}")
