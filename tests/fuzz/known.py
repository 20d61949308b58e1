"""What is known to break the contract today. Whoever mends a kind deletes its row; its examples stay."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fuzz.contract import Known

KNOWN: Sequence[Known] = ()

# Seed and index of cases that broke the contract once; they run with every test.
EXAMPLES: Sequence[tuple[int, int]] = (
    (1, 66),
    (1, 165),
    (1, 179),
    (1, 180),
    (4, 68),
    (4, 107),
    (4, 142),
    (4, 187),
    (4, 351),
    (4, 415),
    (4, 810),
    (4, 1375),
    (5, 2011),
    (5, 2561),
    (5, 3243),
    (11, 4),
    (11, 60),
    (11, 411),
    (11, 698),
    (11, 751),
    (11, 808),
    (11, 1417),
    (11, 2645),
    (11, 2869),
    (11, 3020),
    (12, 438),
    (12, 473),
    (12, 1135),
    (12, 1450),
    (13, 1520),
    (13, 1979),
)
