"""The governor: finds the largest scale that holds the rate, stays there, and comes back up when it can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from realtime.player.governor import Governor
from realtime.session import NET_SCALES

Load = Callable[[float], float]


@dataclass
class Machine:
    """Paints a whole picture in `full_s` and needs `fixed_s` more for any picture; frames come at `camera_fps`."""

    governor: Governor
    full_s: float
    fixed_s: float = 0.002
    camera_fps: float = 30.0
    noise: float = 0.0
    now_s: float = 0.0
    scales: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> list[float]:
        """Returns the scales painted at, one a frame."""
        rng, end_s = np.random.default_rng(1), self.now_s + seconds
        ran: list[float] = []
        while self.now_s < end_s:
            busy_s = self.fixed_s + self.full_s * self.governor.scale**2
            busy_s *= 1 + self.noise * float(rng.standard_normal())
            idle_s = max(0.0, 1 / self.camera_fps - busy_s)
            self.now_s += busy_s + idle_s
            ran.append(self.governor.scale)
            self.governor.observe(self.now_s, idle_s)
        self.scales += ran
        return ran

    @property
    def fps(self) -> float:
        return 1 / (self.fixed_s + self.full_s * self.governor.scale**2)


def changes(scales: list[float]) -> int:
    return int(np.count_nonzero(np.diff(scales)))


def test_a_machine_that_is_fast_enough_paints_at_full_size() -> None:
    assert set(Machine(Governor(30), full_s=0.02).run(60)) == {1.0}


def test_a_slow_camera_is_no_reason_to_paint_less() -> None:
    assert set(Machine(Governor(30), full_s=0.02, camera_fps=7).run(60)) == {1.0}


@pytest.mark.parametrize("full_s", [0.04, 0.05, 0.07, 0.1])
def test_a_slow_machine_paints_smaller_until_the_rate_is_held_and_stays_there(full_s: float) -> None:
    machine = Machine(Governor(30), full_s)
    machine.run(10)
    assert machine.fps >= 0.95 * 30
    assert machine.governor.scale == max(scale for scale in NET_SCALES if 0.002 + full_s * scale**2 <= 1 / 28.5)
    assert changes(machine.run(120)) == 0


def test_a_machine_that_is_far_too_slow_paints_at_the_smallest_scale_and_no_smaller() -> None:
    machine = Machine(Governor(30), full_s=1.0)
    machine.run(30)
    assert machine.governor.scale == min(NET_SCALES)


def test_when_other_work_is_over_it_comes_back_up_step_by_step() -> None:
    machine = Machine(Governor(30), full_s=0.09)
    machine.run(20)
    assert machine.governor.scale <= 0.6
    machine.full_s = 0.02
    scales = machine.run(60)
    assert machine.governor.scale == 1.0
    assert scales == sorted(scales), "never down on the way up"


def test_noise_makes_it_change_seldom() -> None:
    """Here 85 % is a little too slow and 70 % has room to spare: the worst place for a governor."""
    machine = Machine(Governor(30), full_s=0.0445, noise=0.25)
    machine.run(30)
    assert changes(machine.run(300)) <= 12


def test_a_step_up_that_does_not_hold_is_tried_ever_more_seldom() -> None:
    class Liar(Machine):
        """Looks idle while it is not, as a loop does that waits for its beat while the next picture is painted."""

        def run(self, seconds: float) -> list[float]:
            ran, end_s = [], self.now_s + seconds
            while self.now_s < end_s:
                busy_s = self.full_s * self.governor.scale**2
                late = busy_s > 1 / self.camera_fps
                self.now_s += max(busy_s, 1 / self.camera_fps)
                ran.append(self.governor.scale)
                self.governor.observe(self.now_s, 0.0 if late else 0.9 / self.camera_fps)
            return ran

    machine = Liar(Governor(30), full_s=0.05)
    machine.run(60)
    assert changes(machine.run(240)) <= 10


def test_a_scale_that_cannot_be_had_is_never_chosen_again() -> None:
    governor = Governor(30)
    machine = Machine(governor, full_s=0.05)
    machine.run(10)
    missing = governor.scale
    governor.forbid(missing)
    assert governor.scale > missing
    assert missing not in machine.run(60)


def test_a_pause_is_not_taken_for_slowness() -> None:
    governor = Governor(30)
    machine = Machine(governor, full_s=0.02)
    machine.run(5)
    for _ in range(5):
        machine.now_s += 20
        governor.restart()
        machine.run(2.5)
    assert governor.scale == 1.0
