"""Frame rates and clocks as exact fractions."""

from __future__ import annotations

from fractions import Fraction

# One tick of the usual MPEG clock, in seconds: fine enough for every camera.
LIVE_TIME_BASE = Fraction(1, 90_000)
# 29.97 stands for 30000/1001, from which it differs by a millionth; 30 differs by a thousandth.
_NTSC_TOLERANCE = Fraction(1, 20_000)
# Nobody sees finer ones, and containers hold times of some billions of ticks.
_MOST_TICKS_PER_S = 1_000_000
# Rates are that exact: both numbers of a fraction have to fit into 31 bits, with room for ticks.
_LARGEST_DENOMINATOR = 100_000

# Headers that do not know the rate give that of their clock: 1000, 90,000 or 180,000. The file of a high-speed camera
# may have some hundreds of frames per second, but nothing live has.
_MAX_RATE, _MAX_LIVE_RATE = 999, 240
UNKNOWN_RATE = Fraction(25)


def believable_rate(*said: Fraction | float | None, live: bool = False) -> Fraction | None:
    """Returns the first rate that can be true, exactly; None if none can.

    Args:
        said: frames per second by different accounts; None, 0 or infinity if one does not know.
        live: whether the frames come at that rate now.
    """
    limit = _MAX_LIVE_RATE if live else _MAX_RATE
    return next((exact_rate(Fraction(rate)) for rate in said if rate is not None and 0 < rate <= limit), None)


def exact_rate(rate: Fraction) -> Fraction:
    """Returns the rate that is meant: 24000/1001 for 23.976, 30000/1001 for 29.97 and so on, any other as it is.

    Args:
        rate: frames per second.
    """
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    if abs(rate - ntsc) <= _NTSC_TOLERANCE * rate:
        return ntsc
    return rate.limit_denominator(_LARGEST_DENOMINATOR) or Fraction(1, _LARGEST_DENOMINATOR)


def clock_for(rate: Fraction, time_base: Fraction) -> Fraction:
    """Returns the tick of a clock, in seconds, that is a divisor of the frame interval and not above `time_base`.

    A clock that is finer than a microsecond becomes a coarser one.

    Args:
        rate: frames per second.
        time_base: the coarsest tick that will do, in seconds.
    """
    ticks_per_s = max(1, round(1 / time_base))
    multiple = min(-(-ticks_per_s // rate.numerator), max(1, _MOST_TICKS_PER_S // rate.numerator))
    return Fraction(1, rate.numerator * multiple)
