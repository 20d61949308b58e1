"""The health check of the container: does nst-live work? Exits with 1 if it has hung for two seconds, or is gone."""

from __future__ import annotations

import sys
import time
from pathlib import Path

PATIENCE_S = 2.0


def used_ticks(process: str) -> int | None:
    """Returns how much time of the processor a process has used, in ticks; None if it is gone or stopped."""
    try:
        # the second field is the name in parentheses, which may hold anything
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "T", "X"} else int(fields[11]) + int(fields[12])


def main(process: str) -> int:
    """Returns 0 if a process is at work, else 1."""
    before = used_ticks(process)
    time.sleep(PATIENCE_S)
    after = used_ticks(process)
    return 0 if before is not None and after is not None and after > before else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "1"))
