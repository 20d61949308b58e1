"""What the command owes whatever it is given, and a run of one case against it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.cases import Case
from tests.fuzz.command import environment_in
from tests.fuzz.worker import Limits, Outcome, Task, Worker

# As the README documents them.
EXIT_CODES = frozenset({0, 1, 2, 3, 4, 130})
_COMPLAINT = "nst-live: "
_REPORTED = re.compile(r"painted (\d+) frames into ")
# What libraries print by themselves, in place of the command's one line.
_NOISE = re.compile(
    r"Exception ignored in|terminate called|Segmentation fault|[a-z0-9_]+ @ 0x|libpng|libjpeg|TIFFRead|Warning: |"
    r"Corrupt JPEG|\bat /.*\.cpp|src/.*\.cpp|^\[ ?(?:WARN|ERROR|INFO)",
    re.MULTILINE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
# What exceptions say when nobody has put them into words.
_RAW = re.compile(
    r"\[Errno|NoneType|has no attribute|out of range|not a valid|division by zero|expected str\b|"
    r"avcodec_|av_|unpack|must be real|not subscriptable|not supported between|cannot convert|bad_alloc|"
    r"CHECK|\.cpp|\.hpp|std::|\b0x[0-9a-f]{6}",
)
_LONGEST_COMPLAINT = 1000
_UNREADABLE = 3


@dataclass(frozen=True)
class Violation:
    """What the command owed and did not do: the name of the check, and what was found."""

    check: str
    found: str


@dataclass(frozen=True)
class Known:
    """A violation that is known and waits to be mended.

    Args:
        check: the name of the check.
        kind: a regular expression that the kind of the case matches from its beginning.
        found: a regular expression found in what was found.
        reason: what is wrong, in words.
        always: whether it shows on every machine; what is only slow may be quick enough on some.
    """

    check: str
    kind: str
    found: str
    reason: str
    always: bool = True

    def matches(self, case: Case, violation: Violation) -> bool:
        return (
            violation.check == self.check
            and re.match(self.kind, case.kind) is not None
            and re.search(self.found, violation.found) is not None
        )


@dataclass(frozen=True)
class Result:
    """A case that was run, and which of its violations are known."""

    case: Case
    outcome: Outcome
    violations: Sequence[Violation]
    known: Sequence[Known] = field(default=())

    @property
    def unknown(self) -> Sequence[Violation]:
        """The violations that nobody has listed."""
        return [
            violation
            for violation in self.violations
            if not any(known.matches(self.case, violation) for known in self.known)
        ]


def run_case(case: Case, worker: Worker, scratch: Path, known: Sequence[Known], limits: Limits) -> Result:
    """Runs a case in a folder of its own below `scratch` and checks what came of it; the folder is removed."""
    with tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True) as parent:
        folder, log = Path(parent) / "case", Path(parent) / "log"
        write_files(case, folder)
        environment = environment_in(Path(parent) / "home")
        outcome = worker.run(Task(case.argv, str(folder), environment, str(log)), limits)
        look = _Look(case, outcome, folder, worker, environment, str(log))
        violations = tuple(look.violations())
    matching = [each for each in known if any(each.matches(case, violation) for violation in violations)]
    return Result(case, outcome, violations, matching)


def write_files(case: Case, folder: Path) -> None:
    """Writes the files that a case begins with."""
    for name, data in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@dataclass(frozen=True)
class _Look:
    """What is looked at once a case has run."""

    case: Case
    outcome: Outcome
    folder: Path
    worker: Worker
    environment: Mapping[str, str]
    log: str

    def violations(self) -> Iterator[Violation]:
        if self.outcome.ended:
            yield Violation(self.outcome.ended, self._last_line() or "nothing was printed")
            return
        if self.outcome.code < 0:
            yield Violation("crash", f"signal {-self.outcome.code}; last line: {self._last_line()}")
            return
        yield from self._words()
        yield from self._files()
        if self.case.must_pass and self.outcome.code != 0:
            yield Violation("fatal to others", f"exit code {self.outcome.code}: {self._last_line()}")

    def _last_line(self) -> str:
        lines = self.outcome.err.strip().splitlines()
        return lines[-1] if lines else ""

    @property
    def _complaints(self) -> Sequence[str]:
        return [line for line in self.outcome.err.splitlines() if line.startswith(_COMPLAINT)]

    def _words(self) -> Iterator[Violation]:
        """Exit code and complaint."""
        code, err = self.outcome.code, self.outcome.err
        if code not in EXIT_CODES:
            yield Violation("exit code", f"{code}: {self._last_line()}")
        if "Traceback (most recent call last)" in err:
            yield Violation("traceback", self._last_line())
        if (noise := _NOISE.search(err)) is not None:
            yield Violation("noise", _line_of(err, noise.start()))
        if (control := _CONTROL.search(err)) is not None:
            yield Violation("control characters", repr(_line_of(err, control.start())))
        if code != 0 and not self._complaints:
            yield Violation("no complaint", f"exit code {code}: {self._last_line()}")
        if code == 0 and self._complaints:
            yield Violation("complaint on success", self._complaints[0])
        if len(self._complaints) > self.case.complaints:
            yield Violation("many complaints", " / ".join(self._complaints))
        for complaint in self._complaints:
            named = any(word in complaint for word in self.case.named)
            # FFmpeg's words, which are a reason only when it was to read what is damaged
            raw = _RAW.search(complaint) or ("Invalid argument" in complaint and code != _UNREADABLE)
            if not named or raw or len(complaint) > _LONGEST_COMPLAINT:
                yield Violation("unclear complaint", complaint[:_LONGEST_COMPLAINT])
        notes = [line for line in err.splitlines() if "damaged" in line and line not in self._complaints]
        if self.case.must_pass and len(notes) > 1:
            yield Violation("many notes", " / ".join(notes))

    def _files(self) -> Iterator[Violation]:
        """What lies in the folder afterwards."""
        case, err = self.case, self.outcome.err
        changed = [
            name
            for name, data in case.files.items()
            if name != case.output and (self.folder / name).read_bytes() != data
        ]
        if changed:
            yield Violation("input changed", ", ".join(changed))
        for name in case.whole:
            if not (self.folder / name).exists():
                yield Violation("lost", f"{name}: {self._last_line()}")
        outputs, strays = self._new_files()
        # what --resume keeps is its very purpose
        kept = f"{case.output}." if "--resume" in case.argv else "\0"
        unnamed = [
            str(stray)
            for stray in strays
            if str(stray) not in err and stray.parts[0] not in err and not str(stray).startswith(kept)
        ]
        if unnamed:
            yield Violation("strays", ", ".join(unnamed))
        yield from self._paintings(outputs)

    def _new_files(self) -> tuple[Sequence[Path], Sequence[Path]]:
        """Returns the files that are what was asked for, and the other new ones, all by their path in the folder."""
        name = re.escape(self.case.output).replace("%03d", r"\d+")
        pattern = re.compile(rf"{name}(/.*)?")
        found = sorted(
            path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file() or path.is_symlink()
        )
        outputs = [path for path in found if pattern.fullmatch(str(path)) and ".partial" not in path.name]
        new = [path for path in found if path not in outputs and str(path) not in self.case.files]
        return outputs, new

    def _paintings(self, outputs: Sequence[Path]) -> Iterator[Violation]:
        """What was painted is whole, and as long as it is said to be."""
        case, code = self.case, self.outcome.code
        reported = [int(count) for count in _REPORTED.findall(self.outcome.err)]
        if case.old is not None and code != 0 and not reported:
            now = (self.folder / case.output).read_bytes() if outputs else None
            if now != case.old:
                yield Violation("half-written", f"the old {case.output} is lost; {self._last_line()}")
            return
        if outputs and code not in {0, _UNREADABLE} and not reported and case.output != "out":
            yield Violation("half-written", f"{outputs[0]}; {self._last_line()}")
            return
        if not outputs and (code == 0 or reported):
            yield Violation("no output", self._last_line())
        counts = []
        for path in outputs:
            counted = self._count(path)
            if isinstance(counted, str):
                half = "half-written" if code != 0 and not reported else "does not play"
                yield Violation(half, f"{path}: {counted}; {self._last_line()}")
                return
            counts.append(counted)
        if reported and sum(counts) != reported[0]:
            yield Violation("frames", f"{reported[0]} reported, {sum(counts)} decoded")

    def _count(self, path: Path) -> int | str:
        """Returns how many frames a painting has, or why it cannot be decoded."""
        counted = self.worker.run(Task((), str(self.folder), self.environment, f"{self.log}.count", str(path)))
        if counted.code != 0 or counted.ended:
            lines = counted.err.strip().splitlines() or [f"exit code {counted.code}"]
            return lines[-1]
        return int(counted.out)


def _line_of(text: str, at: int) -> str:
    begin, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    return text[begin : end if end >= 0 else len(text)][:_LONGEST_COMPLAINT]
