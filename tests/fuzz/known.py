"""What is known to break the contract today. Whoever mends a kind deletes its row."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fuzz.contract import Known

KNOWN: Sequence[Known] = ()
