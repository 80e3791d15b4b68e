"""Checks LoRA on this GPU: the time to load and unload one, and that every weight has the same bits
afterwards."""

import hashlib
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.unet import UNet
from scripts.gpu.tools.card import Card
from scripts.gpu.tools.findings import Finding
from scripts.gpu.tools.models import pipeline

RANK = 16
PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")
STEPS, TINY_STEPS = 8, 2


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    pipe = pipeline(card.device, card.dtypes[0], tiny=tiny)
    request = GenerationRequest(prompt="a green frog", seed=4, num_steps=TINY_STEPS if tiny else STEPS)
    before, plain = digest(pipe), pipe(request).image.tobytes()
    with tempfile.TemporaryDirectory() as name:
        file = write_lora(pipe.model.unet, Path(name) / "test.safetensors")
        loading = card.wall(partial(pipe.load_lora, file, 0.8, name="test"))
        drawn = pipe(request).image.tobytes()
        unloading = card.wall(partial(pipe.unload_lora, "test"))
    after = pipe(request).image.tobytes()
    is_right = drawn != plain and after == plain and digest(pipe) == before
    numbers = {
        "s to load": loading,
        "s to unload": unloading,
        "changes the picture": "yes" if drawn != plain else "no",
        "same bits after": "yes" if after == plain and digest(pipe) == before else "no",
    }
    yield Finding(f"LoRA of rank {RANK}, SD1.5's size", "right" if is_right else "wrong", numbers)


def write_lora(unet: UNet, path: Path) -> Path:
    """Factors for every projection of every attention layer, as PEFT names them."""
    random = torch.Generator().manual_seed(2)
    tensors = {}
    for name, weight in unet.state_dict().items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and ".attn" in module and module.endswith(PROJECTIONS):
            rows, columns = weight.shape
            tensors[f"unet.{module}.lora_A.weight"] = torch.randn(RANK, columns, generator=random) * 0.05
            tensors[f"unet.{module}.lora_B.weight"] = torch.randn(rows, RANK, generator=random) * 0.05
    save_file(tensors, path)
    return path


def digest(pipe: TextToImagePipeline) -> str:
    """A hash of all bits of the U-Net's weights."""
    found = hashlib.sha256()
    for weight in pipe.model.unet.state_dict().values():
        found.update(weight.contiguous().view(torch.uint8).cpu().numpy().tobytes())
    return found.hexdigest()
