"""`nst-live bench` measures what it says; how fast that is, no test can know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realtime.bench.rounds import Run, interleave
from tests.realtime.clips import write_clip
from tests.realtime.conftest import NstLive


def test_contenders_run_in_turn_after_a_warm_up_each() -> None:
    order: list[str] = []

    def contender(name: str) -> float:
        order.append(name)
        return 10.0

    runs = interleave({name: lambda _, name=name: contender(name) for name in "ab"}, 3, 0.01)  # type: ignore[misc]
    assert "".join(order) == "ab" + "ababab"
    assert all(isinstance(run, Run) and run.fps == 10 for name in "ab" for run in runs[name])


@pytest.mark.long
def test_a_file_is_measured_from_end_to_end_beside_the_bare_net(
    tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 5)
    told = nst_live("bench", "-i", clip, "--rounds", 1, "--seconds", 0.2, "--style", identity, "--json", "report.json")
    assert told.code == 0, told.err
    (report,) = json.loads(Path("report.json").read_text())["reports"]
    assert report["size"] == [64, 48]
    assert report["busy_latency_ms"]["p99"] >= report["busy_latency_ms"]["p50"] > 0
    assert report["busy_rate"] > 0
    for name in ("bare net", "file, null encoder", "file into a file"):
        assert report["rates"][name]["median"] > 0
        assert report["rates"][name]["cpu_ms"] > 0
        assert name in told.out


@pytest.mark.long
def test_a_size_that_the_net_does_not_take_as_it_is_can_be_measured(nst_live: NstLive) -> None:
    told = nst_live("bench", "--size", "100x52", "--rounds", 1, "--seconds", 0.1, "--net", "fast")
    assert told.code == 0, told.err
    assert "100x52, wreck" in told.out
