"""Damages small valid files of every kind, runs the command on them and checks what it owes.

Type: python -m tests.fuzz --cases 500 --seed 1
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import queue
import re
import shlex
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzz.cases import Case, make_case
from tests.fuzz.command import ROOT
from tests.fuzz.contract import Known, Result, run_case, write_files
from tests.fuzz.known import KNOWN
from tests.fuzz.samples import make_samples
from tests.fuzz.worker import Limits, Worker

_REPORT_S = 10
_DEFAULT_CASES = 300


@dataclass(frozen=True)
class Plan:
    """Which cases to run, and how.

    Args:
        cases: seed and index of each case to run, in order; may be endless.
        kind: a regular expression that a case's kind must match; others are left out.
        jobs: how many run at once.
        known: what is known to fail.
        limits: what ends a case.
    """

    cases: Iterator[tuple[int, int]]
    kind: str = ""
    jobs: int = 1
    known: Sequence[Known] = KNOWN
    limits: Limits = field(default_factory=Limits)


def run_cases(plan: Plan, stopping: Callable[[], bool] = lambda: False) -> Generator[Result]:
    """Yields results as they come, until the cases or the patience are over.

    Args:
        plan: which cases, and how.
        stopping: asked before each case whether to start no more.
    """
    results: queue.Queue[Result | Exception | None] = queue.Queue()
    with tempfile.TemporaryDirectory(prefix="nst-live-fuzz-") as folder:
        scratch = Path(folder)
        cases = _Shared(plan.cases)
        samples = make_samples(scratch)

        def work(home: Path) -> None:
            try:
                home.mkdir()
                with Worker(home) as worker:
                    for seed, index in cases:
                        if stopping():
                            break
                        case = make_case(seed, index, samples)
                        if re.search(plan.kind, case.kind):
                            results.put(run_case(case, worker, scratch, plan.known, plan.limits))
            except Exception as exc:  # it crosses to whoever reads
                results.put(exc)
            finally:
                results.put(None)

        threads = [threading.Thread(target=work, args=(scratch / f"home{job}",)) for job in range(plan.jobs)]
        for thread in threads:
            thread.start()
        try:
            yield from _until_all_end(results, plan.jobs)
        finally:
            cases.close()
            for thread in threads:
                thread.join()


def _until_all_end(results: queue.Queue[Result | Exception | None], jobs: int) -> Iterator[Result]:
    while jobs:
        result = results.get()
        if result is None:
            jobs -= 1
        elif isinstance(result, Exception):
            raise result
        else:
            yield result


class _Shared:
    """An iterator for several threads, which can be ended."""

    def __init__(self, items: Iterator[tuple[int, int]]) -> None:
        self._items, self._lock, self._closed = items, threading.Lock(), False

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return self

    def __next__(self) -> tuple[int, int]:
        with self._lock:
            if self._closed:
                raise StopIteration
            return next(self._items)

    def close(self) -> None:
        self._closed = True


def save(result: Result, folder: Path) -> Path:
    """Writes the files of a case, the command and what it printed into a folder of their own; returns it."""
    case = result.case
    place = folder / f"seed{case.seed}-case{case.index}"
    write_files(case, place)
    found = "\n".join(f"# {violation.check}: {violation.found}" for violation in result.violations)
    environment = f"PYTHONPATH={shlex.quote(str(ROOT))}"
    command = case.command.replace("python", shlex.quote(sys.executable), 1)
    (place / "command.sh").write_text(
        f"#!/bin/sh\n# {case.kind}: {case.done}\n{found}\n"
        f"# again: python -m tests.fuzz --seed {case.seed} --case {case.index}\n"
        f'cd "$(dirname "$0")" && {environment} {command}\n'
    )
    (place / "stderr.txt").write_text(result.outcome.err)
    return place


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--cases", type=int, metavar="N", help=f"run N cases (default: {_DEFAULT_CASES})")
    amount.add_argument("--minutes", type=float, metavar="M", help="run cases for M minutes")
    amount.add_argument("--case", type=int, metavar="K", help="run case K alone, print what it prints, and keep it")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="decides all cases (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="begin with case K (default: %(default)s)")
    parser.add_argument("--kind", default="", metavar="REGEX", help="only cases of this kind, e.g. 'mkv' or 'style'")
    parser.add_argument("--jobs", type=int, metavar="N", help="run N cases at once (default: one per core, at most 4)")
    parser.add_argument("--strict", action="store_true", help="count what is known to fail as a failure too")
    parser.add_argument("--save", type=Path, default=Path("build/fuzz"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every result into this file, a line for each")
    return parser


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the fuzz; returns 1 when something broke the contract that is not known to."""
    args = _parser().parse_args(argv)
    alone = args.case is not None
    count = 1 if alone else None if args.minutes else args.cases or _DEFAULT_CASES
    first = args.case if alone else args.first
    indices: Iterator[int] = itertools.count(first) if count is None else iter(range(first, first + count))
    jobs = 1 if alone else args.jobs or min(4, os.cpu_count() or 1)
    plan = Plan(((args.seed, index) for index in indices), args.kind, jobs, () if args.strict else KNOWN)
    started_s = time.monotonic()
    deadline_s = started_s + 60 * args.minutes if args.minutes else float("inf")
    tally = _Tally(args.save, alone, args.json)
    with closing(tally), closing(run_cases(plan, lambda: time.monotonic() > deadline_s)) as results:
        for result in results:
            tally.add(result)
    tally.report(time.monotonic() - started_s)
    return 1 if tally.failed else 0


class _Tally:
    """Counts results, prints what is wrong and saves it."""

    def __init__(self, folder: Path, alone: bool, log: Path | None) -> None:
        self._folder, self._alone = folder, alone
        self._log = None if log is None else log.open("w")
        self._codes: dict[str, Counter[int]] = {}
        self._checks: Counter[str] = Counter()
        self._known: Counter[str] = Counter()
        self.cases = self.failed = 0
        self._reported_s = time.monotonic()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()

    def add(self, result: Result) -> None:
        self.cases += 1
        self._codes.setdefault(_group(result.case), Counter())[result.outcome.code] += 1
        self._known.update(known.reason for known in result.known)
        self._checks.update(violation.check for violation in result.unknown)
        if self._log is not None:
            self._log.write(json.dumps(_as_json(result)) + "\n")
        if result.unknown:
            self.failed += 1
            self._print_failure(result)
        elif self._alone:
            self._print_case(result)
        if time.monotonic() - self._reported_s > _REPORT_S:
            self._reported_s = time.monotonic()
            _print(f"{self.cases} cases, {self.failed} failed")

    def _print_failure(self, result: Result) -> None:
        place = save(result, self._folder)
        for violation in result.unknown:
            _print(f"case {result.case.index} ({result.case.kind}; {result.case.done}): "
                   f"{violation.check}: {violation.found[:300]}")  # fmt: skip
        _print(f"    sh {place}/command.sh")
        if self._alone:
            self._print_case(result)

    def _print_case(self, result: Result) -> None:
        _print(f"{result.case.kind}: {result.case.done}\n{result.case.command}\n{result.outcome.err.rstrip()}")
        _print(f"exit code {result.outcome.code} after {result.outcome.seconds:.1f} s, "
               f"{result.outcome.grown / 2**20:.0f} MiB more")  # fmt: skip

    def report(self, elapsed_s: float) -> None:
        for group, codes in sorted(self._codes.items()):
            counts = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
            _print(f"{group:<24} {sum(codes.values()):5} cases: {counts}")
        for reason, count in self._known.most_common():
            _print(f"known: {count:4} cases: {reason}")
        for check, count in self._checks.most_common():
            _print(f"violated: {count:4} times: {check}")
        rate = 60 * self.cases / max(elapsed_s, 1e-3)
        _print(f"{self.cases} cases in {elapsed_s:.0f} s ({rate:.0f} a minute), {self.failed} failed")


def _group(case: Case) -> str:
    return re.sub(r"(?:,| of| with| in fragments| that).*?( in a (?:row|folder))?$", r"\1", case.kind)


def _as_json(result: Result) -> object:
    return {
        "index": result.case.index,
        "kind": result.case.kind,
        "done": result.case.done,
        "command": result.case.command,
        "outcome": asdict(result.outcome),
        "violations": [asdict(violation) for violation in result.violations],
        "unknown": len(result.unknown),
    }


if __name__ == "__main__":
    sys.exit(main())
