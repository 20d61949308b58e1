"""Paints picture files into picture files, in the look that was asked for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

from realtime.app.jobs import Job, check_jobs, check_photo_output
from realtime.app.nets import Catalog, load_catalog
from realtime.app.options.table import Options
from realtime.backends import FOR_ONE_SIZE
from realtime.frames import Size
from realtime.media.photo import (
    Photo,
    check_photo_size,
    has_alpha,
    photo_size,
    read_photo,
    resized,
    write_photo,
)
from realtime.queues import one_at_a_time
from realtime.stylize.photo_painter import MOST_PIXELS_WHOLE, PhotoPainter, wanted_look
from realtime.stylize.tiled import BandError
from styles.support.errors import UsageError
from styles.support.progress import progress_bar
from styles.support.terminal import print_line

PERCENT = 100


def paint_photo(options: Options) -> int:
    """Paints the picture `options.source.url` into `options.output.output`; returns the exit code.

    Raises:
        UsageError: there is no output.
        OutputError: the output cannot be written, or it exists.
    """
    source, output = Path(str(options.source.url)), options.output.output
    if output is None:
        raise UsageError(f"a picture is painted into a file; add -o painted{source.suffix}")
    check_photo_output(output)
    job = Job(source, output)
    if not check_jobs([job], options.output.overwrite, options.output.resume):
        print_line(f"{output} exists, so it counts as painted; to paint it again, add -y")
        return 0
    started_s = time.monotonic()
    with (
        job.alone(),
        PhotoFilePainter(options) as painter,
        progress_bar(source.name, PERCENT, "percent") as report,
    ):
        print_line(f"{source}, {painter.caption}, backend: {painter.backend}")
        painter.paint(job, lambda share: report and report(round(PERCENT * share)))
    print_line(f"painted {source} into {output} in {time.monotonic() - started_s:.1f} s")
    return 0


class PhotoFilePainter:
    """Paints picture files; a context manager, for several threads at once.

    Args:
        options: what was asked for.
        catalog: the styles and the backend; None for what the options ask for.

    Raises:
        BackendUnavailableError: the backend cannot run here.
        UnknownStyleError: there is no such style.
        PhotoError: the style is a picture that cannot be read.
    """

    def __init__(self, options: Options, catalog: Catalog | None = None) -> None:
        look, source = options.look, options.source
        if catalog is None:
            # an engine of TensorRT is for one size, and pictures come in all sizes
            catalog = load_catalog(look, failed=FOR_ONE_SIZE, report=lambda _line: None)
        self._style, self._backend = catalog.first, catalog.choice.backend
        # what is wrong with its picture is said before anything is painted
        self._style.make_ready()
        self.caption, self.backend = self._style.caption, self._backend.name
        self._look = wanted_look(look.strength, look.colors, look.keep_colors, mirrored=look.mirror, brush=look.brush)
        self._size, self._reading = source.size, source.reading
        self._painters: list[PhotoPainter] = []
        self._idle: deque[PhotoPainter] = deque()
        self._huge = one_at_a_time()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for painter in self._painters:
            painter.close()

    def paint(self, job: Job, report: Callable[[float], object]) -> None:
        """Paints one file.

        Args:
            job: the file, and the one that is written.
            report: called with the share that is done, 0..1.

        Raises:
            PhotoError: the file cannot be read.
            OutputError: the other one cannot be written.
            BandError: it is too large to be painted, even in bands.
        """
        stored = photo_size(job.source)
        size = self._size_for(stored)
        check_photo_size(job.output, size)
        # there is memory for one huge picture at a time
        with self._huge if max(_area(stored), _area(size)) > MOST_PIXELS_WHOLE else nullcontext():
            photo = self._read(job.source)
            try:
                with self._painter() as painter:
                    photo = painter.paint(photo, self._style, report)
            except BandError as exc:
                raise BandError(f"{job.source} cannot be painted: {exc}") from exc
            if photo.alpha is not None and not has_alpha(job.output):
                print_line(f"{job.output} cannot hold transparency: transparent parts become white")
            if lost := write_photo(job.output, photo):
                print_line(f"{job.output}: {lost}")

    def _read(self, path: Path) -> Photo:
        """Returns a picture at the size to paint at."""
        photo = read_photo(path, None if self._size else self._reading.max_side)
        if photo.note:
            print_line(f"{path}: {photo.note}")
        height, width = photo.pixels.shape[:2]
        size = self._size_for(photo.full_size or (width, height))
        if size != (width, height):
            photo = resized(photo, size)
        if _area(size) > MOST_PIXELS_WHOLE and self.backend != "openvino":
            print_line(f"{path} is huge ({size[0]}x{size[1]}): it is painted band by band, with openvino")
        return photo

    def _size_for(self, size: Size) -> Size:
        return self._size or self._reading.fitted(size)

    @contextmanager
    def _painter(self) -> Iterator[PhotoPainter]:
        try:
            painter = self._idle.pop()
        except IndexError:
            painter = PhotoPainter(self._backend, self._look)
            self._painters.append(painter)
        try:
            yield painter
        finally:
            self._idle.append(painter)


def _area(size: Size) -> int:
    return size[0] * size[1]
