"""The output of a job on a cluster: what comes back is saved at once, and joined when all of it is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from realtime.app.cluster.films import Film
from realtime.sinks.output_file import left_behind, note_on_left, whole_file
from realtime.sinks.packet_joiner import PacketJoiner
from realtime.sinks.parts import PartReport, PartsFolder
from realtime.sinks.recorder import RecordingError
from styles.support.errors import UNREADABLE
from styles.support.terminal import print_line


class FilmOutput:
    """The file that a film, a photograph or an animation is painted into. One process writes it.

    Args:
        film: what is painted.
        fingerprint: what decides how its frames look, by name; not needed for what is painted in one go.

    `left` has the numbers of the parts that are still to be painted. `done_frames` counts those of earlier runs.

    Raises:
        OutputError: it cannot be written, another process writes it, or it was begun with another fingerprint.
        EncodingError, EncoderUnavailableError: the encoder does not open.
    """

    def __init__(self, film: Film, fingerprint: Mapping[str, str]) -> None:
        self.film = film
        self._folder: PartsFolder | None = None
        self._segments: Counter[int] = Counter()
        self.left: list[int] = list(range(max(1, len(film.parts))))
        self.done_frames = 0
        if not film.parts:
            return
        self._folder = PartsFolder(film.job.output, fingerprint)
        try:
            self._joiner = PacketJoiner(
                film.job.output,
                self._folder.path,
                film.track,
                encoding=replace(film.encoding, repeatable=True),
                copy_from=film.clip,
            )
            notes = (*map(note_on_left, left_behind(film.job.output)), *self._folder.notes, *self._joiner.rehearse())
        except BaseException:
            self.close()
            raise
        for note in notes:
            print_line(f"{film.job.source}: {note}")
        self.left = [number for number in self.left if number not in self._folder.done]
        self.done_frames = sum(report.frames for report in self._folder.done.values())
        if self.done_frames:
            print_line(f"{film.job.source}: {self.done_frames} frames are painted already")

    def restart(self, part: int) -> None:
        """Begins a part again, whose node was lost."""
        self._segments[part] = 0

    def add(self, part: int, packed: bytes) -> None:
        """Saves the next segment of a part. Raises RecordingError if that fails."""
        assert self._folder is not None
        try:
            self._folder.add(part, self._segments[part], packed)
        except OSError as exc:
            raise self._error(exc) from exc
        self._segments[part] += 1

    def finish_part(self, part: int, report: PartReport) -> None:
        """Notes that a part is whole. Raises RecordingError if that fails."""
        assert self._folder is not None
        try:
            self._folder.finish(part, report)
        except OSError as exc:
            raise self._error(exc) from exc
        self.left.remove(part)

    def write(self, data: bytes) -> None:
        """Writes a file that was painted in one go. Raises OutputError or OSError."""
        with whole_file(self.film.job.output) as path:
            path.write_bytes(data)
        self.left = []

    def join(self) -> int:
        """Joins all parts, and the sound of the source; returns the exit code.

        Raises:
            RecordingError: the file cannot be written.
            SourceError: the source cannot be opened any more.
        """
        assert self._folder is not None
        reports = list(self._folder.done.values())
        frames = sum(report.frames for report in reports)
        limit = self.film.options.source.frames
        recording = self._joiner.join(self._folder.packets(), to_audio_end=limit is None or frames < limit)
        for line in self._complaints(reports):
            print_line(f"{self.film.job.source}: {line}")
        codes = [report.code for report in reports if report.code]
        missing = self.film.shortfall(frames, Fraction(max((report.ends_s for report in reports), default=0.0)))
        if missing is not None and not codes:
            print_line(f"nst-live: {missing}; what could be read is painted")
            codes = [UNREADABLE]
        if recording is not None:
            self._folder.remove()
            self._folder = None
        return max(codes, default=0)

    def close(self) -> None:
        """Keeps what is painted for the next run, if anything is; lets others write."""
        folder, self._folder = self._folder, None
        if folder is None:
            return
        if folder.done:
            folder.release()
        else:
            folder.remove()

    @property
    def kept(self) -> bool:
        """Whether there is something that could be continued."""
        return self._folder is not None and bool(self._folder.done)

    def _complaints(self, reports: Sequence[PartReport]) -> Sequence[str]:
        painters = sorted({report.painter for report in reports if report.frames})
        mixed = f"painted in part by {' and in part by '.join(painters)}, so that a seam may show"
        return [*self._joiner.damage, *([mixed] if len(painters) > 1 else [])]

    def _error(self, exc: OSError) -> RecordingError:
        folder = "" if self._folder is None else f"; what is painted is kept in {self._folder.path}"
        return RecordingError(f"painting {self.film.job.output} stopped: {exc.strerror or exc}{folder}")
