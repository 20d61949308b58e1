"""Frame rates and clocks as exact fractions."""

from __future__ import annotations

from fractions import Fraction

# One tick of the usual MPEG clock: fine enough for every camera.
LIVE_TIME_BASE = Fraction(1, 90_000)
# 29.97 stands for 30000/1001, which is a millionth away from it; 30 is a thousandth away.
_NTSC_TOLERANCE = Fraction(1, 20_000)


def exact_rate(rate: Fraction) -> Fraction:
    """Returns the rate that is meant: 24000/1001, 30000/1001 … for 23.976, 29.97 …, any other as it is."""
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return ntsc if abs(rate - ntsc) <= _NTSC_TOLERANCE * rate else rate


def clock_for(rate: Fraction, time_base: Fraction) -> Fraction:
    """Returns the tick of a clock on which the frames of `rate` fall exactly, and which is as fine as `time_base`."""
    ticks_per_s = max(1, round(1 / time_base))
    return Fraction(1, rate.numerator * -(-ticks_per_s // rate.numerator))
