"""One of the processes that train together, for test_ranks.py, in float32.

Type: python -m tests.styles.training.base.rank PICTURES LOSS_NETWORK FOLDER STEPS [ENCODER_ALONE]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import patch

import torch

from styles.training import precision
from styles.training.base.ranks import ranks_here
from styles.training.base.trainer import Length
from styles.training.loss_network import load_loss_network
from tests.styles.training.base.conftest import new_trainer


def main(pictures: Path, loss_network: Path, folder: Path, steps: int, encoder_alone: bool) -> None:
    """Trains, goes on from a checkpoint if there is one, and writes the losses of this run."""
    torch.set_num_threads(1)
    ranks, found = ranks_here(), list[dict[str, float]]()
    # sums in another order differ in their last bit, which in bfloat16 is half a percent
    float32 = patch.object(precision, "multiplies_bfloat16", return_value=False)
    with float32, ranks.joined(torch.device("cpu")):
        trainer = new_trainer(pictures, load_loss_network(loss_network), ranks, encoder_alone=encoder_alone)
        # batch norms see the pictures of their process alone, so they use what they know
        trainer.model.encoder.eval()
        if (folder / "checkpoint.pt").exists():
            trainer.load(folder / "checkpoint.pt")
        trainer.run(Length(steps=steps), lambda progress: found.append(dict(progress.losses)))
        if ranks.is_first:
            trainer.save(folder / "checkpoint.pt")
            (folder / f"losses-{steps}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    words = sys.argv[1:]
    main(Path(words[0]), Path(words[1]), Path(words[2]), int(words[3]), len(words) > 4)
