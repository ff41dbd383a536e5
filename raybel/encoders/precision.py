"""Floating-point formats that models compute in."""

from __future__ import annotations

import torch

#: By the name that configurations have for it.
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def best_precision(device: str) -> str:
    """Return the precision that a device is fastest in: bf16 where it has instructions for it.

    Without them, it is fp16 on a GPU and fp32 on a CPU.

    Args:
        device: `cpu` or a CUDA device.
    """
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"
