"""Paints several files, or a folder of them, into a folder; one that fails stops no other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from realtime.app.cluster.paint import paint_on_ray
from realtime.app.exit_codes import explain_file
from realtime.app.jobs import Job, check_jobs, checked_folder, plan_jobs
from realtime.app.options.table import Options
from realtime.app.photo_files import PERCENT, PhotoFilePainter
from realtime.app.play import play_input
from realtime.app.progress import FilesBar, files_bar
from realtime.media.encoders import OutputError
from realtime.queues import Stopping, side_by_side
from styles.support.errors import FAILED
from styles.support.file_lock import LockedError, PathLock
from styles.support.terminal import print_line


def paint_files(options: Options) -> int:
    """Paints `options.source.input` into the folder `options.output.output`; returns the exit code.

    Raises:
        UsageError: there is no output.
        OutputError: the folder cannot be written into, or outputs exist.
        SourceError: there is nothing to paint.
    """
    folder = checked_folder(options.output.output)
    jobs = plan_jobs(options.source.input, folder)
    left = check_jobs(jobs, options.output.overwrite, options.output.resume)
    if len(left) < len(jobs):
        print_line(f"{len(jobs) - len(left)} of {len(jobs)} files are painted already")
    for parent in {job.output.parent for job in left}:
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OutputError(f"cannot write into {parent}: {exc.strerror or exc}") from exc
    if not left:
        return 0
    with _alone(folder):
        return _paint_all(options, left)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other processes from painting into a folder. Raises OutputError if one does."""
    try:
        lock = PathLock(folder, is_folder=True)
    except LockedError:
        raise OutputError(f"cannot write into {folder}: another process is painting into it") from None
    try:
        yield
    finally:
        lock.release()


def _paint_all(options: Options, jobs: Sequence[Job]) -> int:
    started_s = time.monotonic()
    codes = paint_on_ray(options, jobs) if options.cluster.asked else _paint_here(options, jobs)
    return _conclude(options, codes, time.monotonic() - started_s)


def _paint_here(options: Options, jobs: Sequence[Job]) -> Sequence[int]:
    """Paints on this machine; returns the exit code of each file."""
    stopping = Stopping()
    codes: list[int] = []
    with ExitStack() as stack:
        # also if there are only videos: what is wrong with style or backend is said once
        photo_painter = stack.enter_context(PhotoFilePainter(options))
        bar = stack.enter_context(files_bar(len(jobs)))

        def paint(job: Job) -> int:
            stopping.check()
            if job.is_photo:
                with bar.file(job.source.name, PERCENT, stopping, "percent") as report:
                    photo_painter.paint(job, lambda share: report(round(PERCENT * share)))
                return 0
            return play_input(job.options(options), lambda name, total: bar.file(name, total, stopping), quiet=True)

        for job, result in side_by_side(paint, jobs, _workers(options, len(jobs)), stopping):
            codes.append(_report_result(job, result, bar))
    return codes


def _report_result(job: Job, result: int | Exception, bar: FilesBar) -> int:
    """Reports that a file is done, or why it is not; returns its exit code."""
    if isinstance(result, int):
        bar.finished(f"{job.source} into {job.output}")
        return result
    code, line = explain_file(result)
    bar.finished(f"{job.source} failed")
    print_line(f"nst-live: {line}" if str(job.source) in line else f"nst-live: {job.source}: {line}")
    return code


def _conclude(options: Options, codes: Sequence[int], elapsed_s: float) -> int:
    """Reports how it went; returns the exit code of all files."""
    failed = [code for code in codes if code]
    done, rate = f"{len(codes) - len(failed)} of {len(codes)} files", 60 * len(codes) / elapsed_s
    print_line(f"painted {done} into {options.output.output} in {elapsed_s:.1f} s ({rate:.1f} a minute)")
    if not failed:
        return 0
    print_line(f"nst-live: {len(failed)} of {len(codes)} files failed or could be read only in part")
    return failed[0] if len(set(failed)) == 1 else FAILED


def _workers(options: Options, files: int) -> int:
    """Returns how many files are worked on at once: while one is read or written, the net paints another."""
    workers = options.output.workers
    if options.look.backend == "tensorrt":
        # its painters share their memory with all that were opened in the same thread
        if (workers or 1) > 1:
            print_line("--workers: TensorRT paints one file at a time")
        return 1
    return min(files, workers or (2 if (os.cpu_count() or 1) < 8 else 3))
