"""What is known to break the contract today. Whoever mends a kind deletes its row; its examples stay."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fuzz.contract import Known

KNOWN: Sequence[Known] = (
    Known("half-written", "", "", "the output is written under its own name, so a failure leaves half of it there"),
    Known(
        "unclear complaint", "", r"stopped after \d+ frames: Invalid argument", "times that step back end the output"
    ),
    Known("unclear complaint", "", r"cannot write \S+ Invalid argument", "the output cannot hold a copied track"),
    Known("unclear complaint", ".* in a row", "is not a valid Type", "numbered pictures with EXIF"),
    Known("crash", ".* in a row", "signal 11", "numbered pictures with a colour profile"),
    Known("hang", "ts", "", "--fps fills a leap of the clock with hours of the same picture"),
    Known("noise", "style", "infer_request", "a style that the net does not take is found out in mid-show"),
    Known("unclear complaint", "style", "infer_request", "a style that the net does not take is found out in mid-show"),
    Known("unclear complaint", "style", "bfloat16", "a bfloat16 tensor"),
    Known("fatal to others", "style folder", "bfloat16", "a bfloat16 tensor ends the show of another style"),
    Known("unclear complaint", "style", "no net called ''", "a style that names no net"),
)

# Seed and index of cases that broke the contract once; they run with every test.
EXAMPLES: Sequence[tuple[int, int]] = (
    (1, 165),
    (1, 179),
    (1, 180),
    (4, 68),
    (4, 107),
    (4, 142),
    (4, 187),
    (4, 351),
    (4, 415),
)
