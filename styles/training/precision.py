"""In which precision a training computes: bfloat16 if the processor multiplies it, float32 if not."""

from __future__ import annotations

import contextlib

import torch


def multiplies_bfloat16(device: torch.device) -> bool:
    """Returns whether the processor multiplies bfloat16 itself.

    If it is emulated, as on AVX2, a convolution takes 25 times as long as in float32 (measured).
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Returns what lets convolutions compute in bfloat16 where that is faster."""
    if multiplies_bfloat16(device):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def memory_format(device: torch.device) -> torch.memory_format:
    """Returns the order in memory of pictures and kernels with which convolutions are fastest.

    In float32 oneDNN is 1.3 to 1.4 times as fast with channels that lie apart (docs/lab/training.md).
    """
    return torch.channels_last if multiplies_bfloat16(device) else torch.contiguous_format
