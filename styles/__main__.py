"""`python -m styles` is `nst-train`, also for programs that start modules: torchrun -m styles base …"""

from __future__ import annotations

import sys

from styles.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
