"""Which files are painted into which: one, several, a glob, a folder tree."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from realtime.app.options.table import Options, Use
from realtime.media.decoding import SourceError
from realtime.media.encoders import CONTAINERS, OutputError
from realtime.media.image_sequence import is_image_sequence
from realtime.media.photo import HEIF_SUFFIXES, PHOTO_FORMATS, is_animation
from realtime.media.pipe import STDIN
from realtime.sinks.output_file import claimed, is_pipe
from realtime.sources.open import is_file
from styles.support.errors import UsageError
from styles.support.secrets import shown_input

# What is looked for in folders. Formats that we do not write become JPEG, PNG or MP4, and so do animated pictures.
PHOTO_SUFFIXES = frozenset({*PHOTO_FORMATS, *HEIF_SUFFIXES, ".jpe", ".jfif", ".ppm", ".pgm", ".jp2", ".avif", ".tga"})
VIDEO_SUFFIXES = frozenset(
    {*CONTAINERS, ".avi", ".flv", ".m2ts", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".wmv", ".3gp"}
)


@dataclass(frozen=True)
class Job:
    """A file that is painted, and the file that it is painted into."""

    source: Path
    output: Path

    @property
    def is_photo(self) -> bool:
        return is_photo(self.output)

    def options(self, options: Options) -> Options:
        """Returns the options for this file, of those for all of them."""
        return replace(
            options,
            source=replace(options.source, input=(str(self.source),)),
            output=replace(options.output, output=self.output, overwrite=True),
            screen=replace(options.screen, no_window=True),
        )

    def alone(self) -> AbstractContextManager[None]:
        """Returns what keeps other processes from writing the output.

        Raises:
            OutputError: on entering: another process writes it, or it cannot be created.
        """
        return claimed(self.output)


def is_photo(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES


def use_of(inputs: Sequence[str], output: Path | None) -> Use:
    """Returns what kind of work was asked for.

    Args:
        inputs: files, folders, globs, or one of them or a URL; empty for a camera.
        output: a file or a folder; None for none.
    """
    if is_for_folder(inputs, output):
        return Use.SEVERAL
    if not inputs or not is_file(inputs[0]):
        return Use.LIVE
    path = Path(inputs[0])
    if not (is_photo(path) and path.is_file()):
        return Use.FILE
    # an animation is painted as one, unless a single picture is asked for
    as_video = output is None or is_image_sequence(output) or output.suffix.lower() not in PHOTO_FORMATS
    return Use.FILE if as_video and is_animation(path) else Use.PHOTO


def is_for_folder(inputs: Sequence[str], output: Path | None) -> bool:
    """Returns whether there are several files to paint, or a folder to write into; arguments as for `use_of`."""
    if len(inputs) != 1:
        return bool(inputs)
    (text,) = inputs
    to_folder = output is not None and _is_folder(output)
    several = Path(text).is_dir() or (glob.has_magic(text) and is_file(text) and not Path(text).exists())
    return several or (to_folder and Path(text).is_file())


def _is_folder(output: Path) -> bool:
    """Returns whether an output is a folder, or would be made as one: it is named like none of our files."""
    return output.is_dir() or (not output.suffix and "%" not in output.name and not is_pipe(output))


def check_inputs(inputs: Sequence[str]) -> None:
    """Raises SourceError if a file or folder does not exist; globs and image sequences are looked at later."""
    for text in inputs:
        path = Path(text)
        if is_file(text) and path != STDIN and not (path.exists() or glob.has_magic(text) or is_image_sequence(path)):
            raise SourceError(
                f"no file or folder {shown_input(text)}; to see the bundled scene instead, type: nst-live -i test"
            )


def check_photo_output(path: Path) -> None:
    """Raises OutputError, saying what to type, if no picture can be written to a path."""
    if path.suffix.lower() not in PHOTO_FORMATS:
        raise OutputError(f"cannot write {path} of a picture; expected a name ending in {', '.join(PHOTO_FORMATS)}")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}; type: mkdir -p {path.parent}")
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")


def checked_folder(folder: Path | None) -> Path:
    """Returns the folder that several files are painted into, which need not exist.

    Raises:
        UsageError: none is named.
        OutputError: it is a file, or named like one.
    """
    if folder is None:
        raise UsageError("several files are painted into a folder; add -o FOLDER")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"cannot write into {folder}: it is a file, and several files need a folder")
    if not folder.exists() and folder.suffix.lower() in {*PHOTO_FORMATS, *CONTAINERS}:
        raise OutputError(f"{folder} is named like a file, and several files need a folder; add -o FOLDER")
    return folder


def plan_jobs(inputs: Sequence[str], folder: Path) -> Sequence[Job]:
    """Returns what is painted into a folder, by name; trees stay trees.

    Args:
        inputs: files, folders, which are searched to the bottom, and globs.
        folder: what is written into.

    Raises:
        SourceError: there is nothing to paint.
        OutputError: two files would be painted into one.
    """
    jobs: dict[Path, Job] = {}
    found = sorted(_found(inputs, folder), key=lambda pair: (_writable(*pair) != pair[1], pair))
    for source, relative in found:
        output = folder / _writable(source, relative)
        if output in jobs and output.name != relative.name:
            # a.avi beside a.mp4
            output = output.with_name(f"{relative.name}{output.suffix}")
        if output in jobs and jobs[output].source != source:
            raise OutputError(f"{jobs[output].source} and {source} would both be painted into {output}")
        jobs[output] = Job(source, output)
    return sorted(jobs.values(), key=lambda job: job.source)


def check_jobs(jobs: Sequence[Job], overwrite: bool, resume: bool) -> Sequence[Job]:
    """Returns the jobs that are left to do.

    Args:
        jobs: all of them.
        overwrite: do also those whose outputs exist.
        resume: leave out those whose outputs exist.

    Raises:
        OutputError: outputs exist and it is neither, or an output is its own input.
    """
    done = [job for job in jobs if job.output.exists()]
    for job in done:
        if job.output.samefile(job.source):
            raise OutputError(f"cannot write {job.output}: it is the input itself; name another file")
    if overwrite or not done:
        return jobs
    if resume:
        return [job for job in jobs if job not in done]
    if len(jobs) == 1:
        raise OutputError(f"{done[0].output} exists; to overwrite it, add -y")
    raise OutputError(
        f"{len(done)} of {len(jobs)} outputs exist, {done[0].output} for one; "
        "to paint only the others, add --resume, to overwrite them, -y"
    )


def _found(inputs: Sequence[str], folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yields each file and its path below the output folder."""
    files = [Path(text) for text in inputs if Path(text).is_file()]
    root = _common_folder(files)
    yield from ((path, path.absolute().relative_to(root)) for path in files)
    for text in inputs:
        path = Path(text)
        if path.is_file():
            continue
        if path.is_dir():
            found = [(file, file.relative_to(path)) for file in _below(path, folder)]
            if not found:
                raise SourceError(f"nothing to paint in {path}; expected pictures or videos")
            yield from found
        elif glob.has_magic(text):
            # Path.glob takes no absolute pattern
            matches = [Path(match) for match in glob.glob(text, recursive=True)]  # noqa: PTH207
            matches = [match for match in matches if match.is_file() and _is_paintable(match)]
            if not matches:
                raise SourceError(f"no picture or video matches {shown_input(text)}")
            root = _common_folder(matches)
            yield from ((match, match.absolute().relative_to(root)) for match in matches)
        else:
            raise SourceError(f"no file or folder {shown_input(text)}")


def _common_folder(files: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([path.absolute().parent for path in files])) if files else Path()


def _below(top: Path, folder: Path) -> Iterator[Path]:
    """Yields the pictures and videos of a tree, without hidden ones and without what was painted before."""
    for root, folders, names in os.walk(top):
        here = Path(root)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (here / name).resolve() != folder.resolve()
        )
        for name in names:
            path = here / name
            if not name.startswith(".") and _is_paintable(path):
                yield path


def _is_paintable(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES | VIDEO_SUFFIXES


def _writable(source: Path, relative: Path) -> Path:
    """Returns the path below the output folder, with another suffix if files of this kind are not written."""
    suffix = relative.suffix.lower()
    if suffix in PHOTO_FORMATS and is_animation(source):
        return relative.with_suffix(".mp4")
    if suffix in PHOTO_FORMATS or suffix in CONTAINERS:
        return relative
    if suffix in HEIF_SUFFIXES | {".jpe", ".jfif"}:
        return relative.with_suffix(".jpg")
    return relative.with_suffix(".png" if suffix in PHOTO_SUFFIXES else ".mp4")
