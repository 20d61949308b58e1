"""What a node of a cluster is asked for, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from realtime import __version__
from realtime.app.options.table import Options
from realtime.sinks.parts import PartReport
from realtime.sources.base import Span


@dataclass(frozen=True)
class Order:
    """What a node is asked for.

    Args:
        source: the file that is painted, by its absolute path; only its name counts if it is sent.
        output: the file that is written elsewhere, of what comes back.
        options: for this file.
        part: the part of a film; None for a photograph or an animation, which is painted in one go.
        version: of nst-live where the order comes from.
    """

    source: Path
    output: Path
    options: Options
    part: Span | None
    version: str = __version__


@dataclass(frozen=True)
class Painted:
    """So many frames are painted."""

    frames: int


@dataclass(frozen=True)
class LinePrinted:
    """Something to report."""

    text: str


@dataclass(frozen=True)
class SegmentDone:
    """A segment of a part, packed."""

    data: bytes


@dataclass(frozen=True)
class FileDone:
    """A file that was painted in one go."""

    data: bytes
    code: int = 0


@dataclass(frozen=True)
class OrderRefused:
    """Why it cannot be painted, and the exit code."""

    code: int
    text: str


# What comes back while an order is carried out; the last is one of PartReport, FileDone and OrderRefused.
Item: TypeAlias = Painted | LinePrinted | SegmentDone | PartReport | FileDone | OrderRefused
