"""Files into files: pictures, and folders of pictures and videos, several at a time; one that fails stops no other."""

from __future__ import annotations

import argparse
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

from realtime.app.errors import explained
from realtime.app.jobs import Job, check_jobs, plan_jobs
from realtime.app.progress import FilesBar, Report, files_bar, progress_bar, tell
from realtime.app.readers import UsageError
from realtime.backends import FOR_ONE_SIZE, choose_backend
from realtime.media.encoders import CONTAINERS, OutputError
from realtime.media.photo import (
    PHOTO_FORMATS,
    check_photo_size,
    has_alpha,
    photo_size,
    read_photo,
    resized,
    write_photo,
)
from realtime.queues import Stopping, one_at_a_time, side_by_side
from realtime.sources.video_file import ReadOptions
from realtime.stylize.mixing import mix_by_name
from realtime.stylize.photo_painter import MOST_PIXELS_WHOLE, PhotoLook, PhotoPainter
from realtime.stylize.styles import load_styles, network_for

Bar = Callable[[str, int | None], AbstractContextManager[Report | None]]
# Paints the file `args.input` into the file `args.output`, with this bar, and returns the exit code.
PaintVideo = Callable[[argparse.Namespace, Bar], int]
_PERCENT = 100


def paint_photo(args: argparse.Namespace) -> int:
    """Paints the picture `args.input` into the picture `args.output`; returns the exit code."""
    if args.output is None:
        raise UsageError(f"a picture is painted into a file; add -o painted{Path(args.input).suffix}")
    if args.stream is not None or args.virtual_cam is not None or args.microphone is not None:
        raise UsageError("--stream, --virtual-cam and --microphone are for moving pictures, not for a photograph")
    if args.loop:
        raise UsageError("--loop is for moving pictures, not for a photograph")
    if any(value is not None for value in (args.start, args.end, args.frames, args.fps)):
        raise UsageError("--start, --end, --frames and --fps are for moving pictures, not for a photograph")
    check_photo_output(args.output)
    job = Job(Path(args.input), args.output)
    if not check_jobs([job], args.overwrite, args.resume):
        tell(f"{job.output} is there, so it is taken as painted already; to paint it anew, add -y")
        return 0
    started_s = time.monotonic()
    with Easel(args) as easel, progress_bar(job.source.name, _PERCENT, "percent") as report:
        tell(f"{job.source}, {easel.caption}, backend: {easel.backend}")
        easel.paint(job, lambda share: report and report(round(_PERCENT * share)))
    tell(f"painted {job.source} into {job.output} in {time.monotonic() - started_s:.1f} s")
    return 0


def paint_files(args: argparse.Namespace, paint_video: PaintVideo) -> int:
    """Paints `args.inputs` into the folder `args.output`; returns the exit code, which says whether a file failed."""
    folder: Path | None = args.output
    if args.loop:
        raise UsageError("--loop takes one input, not several files")
    if folder is None:
        raise UsageError("several files are painted into a folder; add -o FOLDER")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"cannot write into {folder}: it is a file, and several files want a folder")
    if not folder.exists() and folder.suffix.lower() in {*PHOTO_FORMATS, *CONTAINERS}:
        raise OutputError(f"{folder} is named like a file, and what is painted here wants a folder; add -o FOLDER")
    if args.stream is not None or args.virtual_cam is not None or args.microphone is not None:
        raise UsageError("--stream, --virtual-cam and --microphone take one input, not several files")
    jobs = plan_jobs(args.inputs, folder)
    left = check_jobs(jobs, args.overwrite, args.resume)
    if len(left) < len(jobs):
        tell(f"{len(jobs) - len(left)} of {len(jobs)} files are painted already")
    for parent in {job.output.parent for job in left}:
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OutputError(f"cannot write into {parent}: {exc.strerror or exc}") from exc
    return _paint_all(args, left, paint_video) if left else 0


def _paint_all(args: argparse.Namespace, jobs: Sequence[Job], paint_video: PaintVideo) -> int:
    started_s = time.monotonic()
    stopping = Stopping()
    codes: list[int] = []
    with ExitStack() as stack:
        # also where there are only videos: what is wrong with style or backend is said once
        easel = stack.enter_context(Easel(args))
        bar = stack.enter_context(files_bar(len(jobs)))

        def paint(job: Job) -> int:
            stopping.check()
            if job.is_photo:
                with bar.file(job.source.name, _PERCENT, stopping, "percent") as report:
                    easel.paint(job, lambda share: report(round(_PERCENT * share)))
                return 0
            return _paint_video(args, job, paint_video, lambda name, total: bar.file(name, total, stopping))

        for job, result in side_by_side(paint, jobs, _workers(args, len(jobs)), stopping):
            codes.append(_tell_result(job, result, bar))
    return _conclude(args, codes, time.monotonic() - started_s)


def _paint_video(args: argparse.Namespace, job: Job, paint_video: PaintVideo, bar: Bar) -> int:
    """Paints a video under another name first, so that what has its own name is whole; returns the exit code."""
    partial = job.output.with_stem(f"{job.output.stem}.partial")
    given = {**vars(args), "input": str(job.source), "overwrite": True, "no_window": True}
    given["output"] = job.output if args.resume else partial
    try:
        code = paint_video(argparse.Namespace(**given), bar)
    except BaseException:
        if partial.exists():
            tell(f"{partial} holds what of {job.source} was painted")
        raise
    if not args.resume:
        partial.replace(job.output)
    return code


def _tell_result(job: Job, result: int | Exception, bar: FilesBar) -> int:
    if isinstance(result, int):
        bar.finished(f"{job.source} into {job.output}")
        return result
    code, line = explained(result)
    bar.finished(f"{job.source} failed")
    tell(f"nst-live: {line}" if str(job.source) in line else f"nst-live: {job.source}: {line}")
    return code


def _conclude(args: argparse.Namespace, codes: Sequence[int], elapsed_s: float) -> int:
    failed = [code for code in codes if code]
    done, rate = f"{len(codes) - len(failed)} of {len(codes)} files", 60 * len(codes) / elapsed_s
    tell(f"painted {done} into {args.output} in {elapsed_s:.1f} s ({rate:.1f} a minute)")
    if not failed:
        return 0
    tell(f"nst-live: {len(failed)} of {len(codes)} files failed or could be read only in part")
    return failed[0] if len(set(failed)) == 1 else 1


def _workers(args: argparse.Namespace, files: int) -> int:
    """Returns how many files are in work at once: while one is read or written, the net paints another."""
    if args.backend == "tensorrt":
        # its painters share their memory with all that were opened in the same thread
        if (args.workers or 1) > 1:
            tell("--workers: TensorRT paints one file at a time")
        return 1
    return min(files, args.workers or (2 if (os.cpu_count() or 1) < 8 else 3))


class Easel:
    """Paints files of pictures, in the look that was asked for. A context manager, for several threads at once."""

    def __init__(self, args: argparse.Namespace) -> None:
        # an engine of TensorRT is for one size, and pictures come in all sizes
        choice = choose_backend(args.backend, FOR_ONE_SIZE)
        paintings, chosen = load_styles(args.style, network_for(args.net, choice.backend.name))
        self._painting = mix_by_name(args.mix, paintings) if args.mix else paintings[chosen]
        self._backend, self.backend, self.caption = choice.backend, choice.backend.name, self._painting.caption
        self._look = PhotoLook(args.strength, args.keep_colors, args.mirror)
        self._size, self._reading = args.size, ReadOptions(None, None, args.max_size, args.scale)
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
        """Paints one file. Raises PhotoError, OutputError, BandError."""
        width, height = photo_size(job.source)
        size = self._size or self._reading.fitted((width, height))
        check_photo_size(job.output, size)
        # memory is for one huge picture at a time
        with self._huge if max(width * height, size[0] * size[1]) > MOST_PIXELS_WHOLE else nullcontext():
            photo = read_photo(job.source)
            if photo.note:
                tell(f"{job.source}: {photo.note}")
            upright = photo.pixels.shape[1::-1]
            size = self._size or self._reading.fitted(upright)
            if size != upright:
                photo = resized(photo, size)
            if size[0] * size[1] > MOST_PIXELS_WHOLE and self.backend != "openvino":
                tell(f"{job.source} is huge ({size[0]}x{size[1]}): it is painted band by band, with openvino")
            with self._painter() as painter:
                photo = painter.paint(photo, self._painting, report)
            if photo.alpha is not None and not has_alpha(job.output):
                tell(f"{job.output} holds no transparency: what shines through is white")
            write_photo(job.output, photo)

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


def check_photo_output(path: Path) -> None:
    """Raises OutputError, saying what to type, where no picture can be written there."""
    if path.suffix.lower() not in PHOTO_FORMATS:
        raise OutputError(f"cannot write {path} of a picture; wanted a name ending in {', '.join(PHOTO_FORMATS)}")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}; type: mkdir -p {path.parent}")
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
