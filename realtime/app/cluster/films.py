"""What becomes of a job on a cluster: the parts of a film, or a file that is painted in one go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from realtime.app.jobs import Job
from realtime.app.nets import Catalog
from realtime.app.options.table import Options
from realtime.app.show.fingerprint import film_fingerprint
from realtime.app.show.target import encoding_of
from realtime.frames import ClipRange
from realtime.media.encoders import Encoding
from realtime.media.video_encoder import VideoTrack
from realtime.sinks.parts import parts_fingerprint
from realtime.sources.base import SourceInfo, Span, track_of
from realtime.sources.open import open_source
from realtime.sources.video_file import VideoFile

# What is painted before a part and thrown away, so that the stabilizer has settled.
_LEAD_IN_S = Fraction(2)
# What is encoded in segments that can be joined.
_JOINED_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm"}


@dataclass(frozen=True)
class Film:
    """A file that is to be painted, and in which parts.

    Args:
        job: the file, and the one that is written.
        options: for this file.
        parts: of a film; () for a photograph or an animation, which is painted in one go.
        frame_count: how many frames there will be, as far as that is known; 1 for a photograph.
        part_s: how long the parts are, in seconds; None if there is but one.
        info: what is known about the source of a film; None for what is painted in one go.
    """

    job: Job
    options: Options
    parts: Sequence[Span] = ()
    frame_count: int | None = 1
    part_s: Fraction | None = None
    info: SourceInfo | None = None

    @property
    def track(self) -> VideoTrack:
        """The frames of a film."""
        assert self.info is not None
        return track_of(self.info)

    @property
    def clip(self) -> ClipRange | None:
        """The part of the file whose sound is copied."""
        return None if self.info is None else self.info.clip

    @property
    def encoding(self) -> Encoding:
        """How the frames are encoded."""
        return encoding_of(self.options)

    def fingerprint(self, catalog: Catalog) -> Mapping[str, str]:
        """Returns what decides how the frames look, by name."""
        common = film_fingerprint(self.options, catalog, catalog.choice.backend.name)
        return parts_fingerprint(common, self.track, self.part_s)

    def shortfall(self, frame_count: int, end_s: Fraction) -> str | None:
        """Returns what of several parts could not be read, if anything.

        Args:
            frame_count: how many frames they have.
            end_s: when the last one ends, in seconds.
        """
        source = self.options.source
        if len(self.parts) < 2 or source.start is not None or source.end is not None:
            return None
        with VideoFile(self.job.source, source.size, source.reading) as file:
            return file.missing_of(frame_count, end_s)


def look_at(job: Job, options: Options) -> Film:
    """Returns what is known about a job, after a look at its first frame.

    Args:
        job: the file, and the one that is written.
        options: for all files.

    Raises:
        SourceError: the file cannot be read.
    """
    own = job.options(options)
    if job.is_photo or job.output.suffix.lower() not in _JOINED_SUFFIXES:
        return Film(job, own)
    source = own.source
    with open_source(url=str(job.source), size=source.size, rate=source.fps, reading=source.reading) as opened:
        info = opened.info
    spans = _spans(info, own)
    limits = [count for count in (info.frame_count, source.frames) if count is not None]
    part_s = own.cluster.ray_segment if len(spans) > 1 else None
    return Film(job, own, spans, min(limits, default=None), part_s, info)


def _spans(info: SourceInfo, options: Options) -> Sequence[Span]:
    """Returns the parts of a film; there is one if it cannot be cut, or if its painting depends on its beginning."""
    whole = [Span()]
    if not info.seeks or info.frame_count is None or options.source.frames is not None or options.look.playlist:
        return whole
    part_s = options.cluster.ray_segment
    # no part is shorter than a half
    count = math.floor(info.frame_count / info.rate / part_s + Fraction(1, 2))
    if count < 2:
        return whole
    ends = [part_s * number for number in range(1, count)]
    return [Span(begin, end, _LEAD_IN_S) for begin, end in zip([Fraction(0), *ends], [*ends, None], strict=True)]
