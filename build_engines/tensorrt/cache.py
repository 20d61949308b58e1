"""The folder of built engines, each beside a JSON file that says what it was built from and for."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from build_engines.onnx.options import Precision, Statistics
from build_engines.tensorrt.variants import VariantName
from styles.support.atomic_file import write_atomically
from styles.support.user_folders import cache_folder

FOLDER_VARIABLE = "NST_LIVE_ENGINES"
_DAY_S = 86400
# An engine is a program: whoever may write one decides what is run.
_OWN_FOLDER, _OWN_FILE = 0o700, 0o600


@dataclass(frozen=True)
class EngineSpec:
    """What identifies an engine: two engines with equal specs are the same engine.

    `source_sha256` is the checksum of the weights file, or of the ONNX file if there are no weights. `width` and
    `height` are in pixels. `gpu` is the name of the GPU that a `tensorrt` engine was tuned on; it is '' for rtx, whose
    engines run on every GPU of the `target`.
    """

    network: str
    source_sha256: str
    graph_version: int
    width: int
    height: int
    precision: Precision
    statistics: Statistics
    runtime: VariantName
    runtime_version: str
    target: str
    gpu: str
    opt_level: int | None = None

    @property
    def file_name(self) -> str:
        """The name of the engine file. Engines of one net that can be used side by side have different names."""
        precision = self.precision + ("-norms16" if self.statistics == "fp16" else "")
        return f"{self.network}-{self.width}x{self.height}-{precision}-{self.runtime}-{self.target}.engine"


# What messages call the fields of a spec.
_CALLED: Mapping[str, str] = {
    "source_sha256": "the weights",
    "graph_version": "the graph's version",
    "runtime_version": "TensorRT's version",
    "gpu": "the GPU",
    "opt_level": "the optimization level",
}


@dataclass(frozen=True)
class StoredEngine:
    """An engine in the folder: its file, its spec, and what else its side file holds (times, driver, quality)."""

    path: Path
    spec: EngineSpec
    metadata: Mapping[str, object]


class UnusableEngineError(LookupError):
    """There is no engine of that spec, or it cannot be used; the message says why."""


class EngineCache:
    """A folder of engines. An engine is in it complete and with its side file, or not at all.

    Args:
        folder: the folder; by default $NST_LIVE_ENGINES, or `engines` in the user's cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        override = os.environ.get(FOLDER_VARIABLE)
        named = folder or (Path(override) if override else None)
        # a folder that the user named, and that is there, keeps its mode: it may hold other things
        self._private = named is None
        self.folder = named or cache_folder() / "engines"

    def path(self, spec: EngineSpec) -> Path:
        return self.folder / spec.file_name

    def find(self, spec: EngineSpec) -> StoredEngine:
        """Returns the engine of that spec. A spec without `opt_level` matches every level.

        Raises:
            UnusableEngineError: the engine is not built, is damaged or is out of date; the message says what differs.
        """
        found = read_engine_metadata(self.path(spec))
        differences = [
            f"{_CALLED.get(field.name, field.name)} changed from {_short(was)} to {_short(now)}"
            for field in fields(EngineSpec)
            if (field.name != "opt_level" or spec.opt_level is not None)
            and (was := getattr(found.spec, field.name)) != (now := getattr(spec, field.name))
        ]
        if differences:
            raise UnusableEngineError(f"{found.path.name} is out of date: {'; '.join(differences)}")
        read_engine(found)
        return found

    def store(self, spec: EngineSpec, engine: bytes, metadata: Mapping[str, object]) -> StoredEngine:
        """Writes an engine and its side file, and returns it.

        A reader that comes between the two writes finds that they do not belong together.

        Args:
            spec: what the engine is.
            engine: the serialized engine.
            metadata: what else the side file is to hold, as JSON values.

        Raises:
            OSError: a file cannot be written.
        """
        path = self.path(spec)
        self._make_folder()
        write_atomically(path, engine)
        entry = {"spec": asdict(spec), "engine_sha256": hashlib.sha256(engine).hexdigest(), **metadata}
        write_atomically(_side_file(path), json.dumps(entry, indent=1).encode() + b"\n")
        for written in (path, _side_file(path)):
            written.chmod(_OWN_FILE)
        return StoredEngine(path, spec, metadata)

    def amend(self, stored: StoredEngine, metadata: Mapping[str, object]) -> StoredEngine:
        """Adds metadata to the side file of an engine, and returns the engine with it."""
        entry = json.loads(_read_trusted(_side_file(stored.path))) | metadata
        write_atomically(_side_file(stored.path), json.dumps(entry, indent=1).encode() + b"\n")
        _side_file(stored.path).chmod(_OWN_FILE)
        return StoredEngine(stored.path, stored.spec, {**stored.metadata, **metadata})

    def list(self) -> Iterator[StoredEngine | UnusableEngineError]:
        """Yields the engines in the folder by name. For an engine that cannot be used it yields the reason instead."""
        for path in sorted(self.folder.glob("*.engine")):
            try:
                stored = read_engine_metadata(path)
                read_engine(stored)
                yield stored
            except UnusableEngineError as exc:
                yield exc

    def sweep(self) -> None:
        """Removes partial files of killed builds that are more than a day old."""
        for partial in self.folder.glob("*.partial"):
            if time.time() - partial.stat().st_mtime > _DAY_S:
                partial.unlink(missing_ok=True)

    def _make_folder(self) -> None:
        """Makes the folder, which only its owner may look into."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(mode=_OWN_FOLDER, exist_ok=True)
        if self._private:
            self.folder.chmod(_OWN_FOLDER)


def read_engine(stored: StoredEngine) -> bytes:
    """Returns the bytes of an engine.

    Raises:
        UnusableEngineError: the file cannot be read, or its checksum is wrong.
    """
    try:
        engine = _read_trusted(stored.path)
    except OSError as exc:
        raise UnusableEngineError(f"{stored.path.name} cannot be read: {exc}") from exc
    if hashlib.sha256(engine).hexdigest() != stored.metadata.get("engine_sha256", ""):
        raise UnusableEngineError(f"{stored.path.name} is damaged: it is not the file that its side file describes")
    return engine


def read_engine_metadata(path: Path) -> StoredEngine:
    """Returns an engine with what its side file says. It does not read the engine itself.

    Args:
        path: the engine file.

    Raises:
        UnusableEngineError: the engine or its side file is missing, or the side file cannot be read.
    """
    if not path.is_file():
        raise UnusableEngineError(f"{path.name} is not built")
    try:
        entry = json.loads(_read_trusted(_side_file(path)))
        return StoredEngine(path, EngineSpec(**entry.pop("spec")), entry)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise UnusableEngineError(f"{path.name} has no readable side file") from exc


def _read_trusted(path: Path) -> bytes:
    """Returns the bytes of a file of this user, or of the system's administrator.

    Raises:
        UnusableEngineError: it belongs to somebody else.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if hasattr(os, "getuid") and (owner := os.fstat(file.fileno()).st_uid) not in {os.getuid(), 0}:
            raise UnusableEngineError(
                f"{path.name} is not used: it belongs to another user (number {owner}); remove it"
            )
        return file.read()


def _side_file(path: Path) -> Path:
    return path.with_suffix(".json")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) < 40 else f"{text[:8]}…"
