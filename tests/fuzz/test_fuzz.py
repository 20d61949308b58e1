"""A little of the fuzz, the same each time; more of it is `python -m tests.fuzz --minutes 10`."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.fuzz.__main__ import Plan, run_cases, save
from tests.fuzz.cases import make_case
from tests.fuzz.command import ROOT, environment_in
from tests.fuzz.contract import Result, Violation
from tests.fuzz.known import EXAMPLES, KNOWN
from tests.fuzz.samples import Samples, make_samples
from tests.fuzz.worker import MIB, Limits, Outcome, Task, Worker

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are forked and watched as on Linux"),
    pytest.mark.timeout(1200),  # for a machine that is busy with other things
]

SEED, CASES = 1, 75
# A case takes less than a second.
LIMITS = Limits(seconds=30)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return make_samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def results() -> Sequence[Result]:
    """What became of the cases of one seed, and of those that once broke the contract."""
    cases = itertools.chain(EXAMPLES, ((SEED, index) for index in range(CASES)))
    return list(run_cases(Plan(cases, jobs=min(4, os.cpu_count() or 1), limits=LIMITS)))


def test_whatever_is_damaged_the_command_keeps_its_contract(results: Sequence[Result]) -> None:
    broken = [
        f"--seed {result.case.seed} --case {result.case.index}  # {violation.check}: {violation.found}"
        for result in results
        for violation in result.unknown
    ]
    assert len(results) == CASES + len(EXAMPLES)
    assert broken == [], "to see one, type: python -m tests.fuzz and what stands before its #"


def test_what_is_known_to_break_it_still_does(results: Sequence[Result]) -> None:
    seen = {known for result in results for known in result.known}
    mended = [known.reason for known in KNOWN if known.always and known not in seen]
    assert not mended, f"delete these rows of tests/fuzz/known.py: {'; '.join(mended)}"


def test_a_case_is_decided_by_seed_and_index(samples: Samples) -> None:
    assert make_case(3, 7, samples) == make_case(3, 7, samples)
    assert make_case(3, 7, samples) != make_case(4, 7, samples)
    assert make_case(3, 7, samples) != make_case(3, 8, samples)


def test_damaged_nets_of_other_people_are_refused_or_read() -> None:
    words = [sys.executable, "-m", "tests.fuzz.imports", "1", "200"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-2000:]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    (tmp_path / "warm").mkdir()
    with Worker(tmp_path / "warm") as worker:
        yield worker


def task(folder: Path, *argv: str) -> Task:
    return Task(argv, str(folder), environment_in(folder / "home"), str(folder / "log"))


def test_what_lasts_too_long_or_takes_too_much_is_ended_and_said(tmp_path: Path, worker: Worker) -> None:
    def endless(output: str) -> Task:
        # outputs of their own: what one run leaves behind does not decide how the next one ends
        return task(tmp_path, "-i", "test", "--frames", "1000000", "-o", output)

    assert worker.run(endless("long.mkv"), Limits(seconds=1)).ended == "hang"
    # a net takes more than that, however long a busy machine needs to load it
    assert worker.run(endless("large.mkv"), Limits(seconds=600, memory=8 * MIB)).ended == "memory"
    outcome = worker.run(task(tmp_path, "--version"))
    assert (outcome.code, outcome.ended) == (0, "")
    assert outcome.out.startswith("nst-live ")


def test_what_goes_wrong_in_a_case_stays_in_it(tmp_path: Path, worker: Worker) -> None:
    no_file = Task((), str(tmp_path), environment_in(tmp_path / "home"), str(tmp_path / "log"), count="gone.mkv")
    assert worker.run(no_file).code == 1
    assert worker.run(task(tmp_path, "--version")).code == 0


def test_a_warm_process_that_somebody_ends_is_started_again(tmp_path: Path, worker: Worker) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.run(task(tmp_path, "--version")).code == 0


def test_what_fails_is_saved_with_the_command_that_shows_it(tmp_path: Path, samples: Samples) -> None:
    case = make_case(1, 0, samples)
    place = save(Result(case, Outcome(0, 0, 0, "", "", "a line"), [Violation("frames", "3 and 4")]), tmp_path)
    script = (place / "command.sh").read_text()
    assert "# frames: 3 and 4" in script
    assert "--seed 1 --case 0" in script
    assert all((place / name).read_bytes() == data for name, data in case.files.items())
    done = subprocess.run(["sh", place / "command.sh"], capture_output=True, text=True, check=False)
    assert "painted" in done.stderr
