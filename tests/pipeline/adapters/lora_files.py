"""LoRA files for tests, and the weights of a model before and after them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from limelight.pipeline import TextToImagePipeline


def saved(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> Path:
    save_file({key: tensor.contiguous().clone() for key, tensor in tensors.items()}, path, metadata=metadata)
    return path


def assert_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def weights(pipe: TextToImagePipeline) -> dict[str, Tensor]:
    parts = {"unet": pipe.model.unet} | {str(i): e.model for i, e in enumerate(pipe.model.text.encoders)}
    return {f"{part}.{k}": v.clone() for part, m in parts.items() for k, v in m.state_dict().items()}
