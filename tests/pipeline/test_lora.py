"""A LoRA draws what diffusers' pipeline draws with the same low-rank changes merged by hand, in float64."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline import GenerationRequest, TextToImagePipeline

PARTS = ("unet", "text_encoder", "text_encoder_2")
CLASSES = {"sd": "StableDiffusionPipeline", "sdxl": "StableDiffusionXLPipeline"}
REQUEST = GenerationRequest(
    prompt="a red apple",
    negative_prompt="blurry",
    seed=7,
    num_steps=4,
    guidance_scale=5.0,
    width=24,
    height=16,
)

Change = tuple[Tensor, Tensor, float | None]  # down, up, alpha
Changes = dict[tuple[str, str], Change]  # (part, module as diffusers calls it) -> its change


def stock(folder: Path, kind: str) -> Any:
    import diffusers

    pipe = getattr(diffusers, CLASSES[kind]).from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def layers(pipe: Any) -> Iterator[tuple[str, str, nn.Module]]:
    for part in PARTS:
        if getattr(pipe, part, None) is not None:
            for name, layer in getattr(pipe, part).named_modules():
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    yield part, name, layer


def random_changes(pipe: Any, seed: int, *, only: str = "", rank: int = 2, alpha: float | None) -> Changes:
    """A change of every linear layer and convolution with `only` in its name."""
    generator = torch.Generator().manual_seed(seed)

    def factor(*shape: int) -> Tensor:
        return 0.1 * torch.randn(shape, generator=generator)

    changes: Changes = {}
    for part, name, layer in layers(pipe):
        if only in f"{part}.{name}":
            outputs, inputs, *kernel = layer.weight.shape
            down, up = factor(rank, inputs, *kernel), factor(outputs, rank, *[1 for _ in kernel])
            changes[part, name] = (down, up, alpha)
    return changes


def merge(pipe: Any, changes: Changes, weight: float) -> None:
    for (part, name), (down, up, alpha) in changes.items():
        layer = getattr(pipe, part).get_submodule(name)
        product = torch.einsum("or,r...->o...", up.double().flatten(1), down.double())
        scale = 1.0 if alpha is None else alpha / down.shape[0]
        layer.weight.data = (layer.weight.double() + weight * scale * product).float()


def in_file(part: str, name: str) -> str:
    """A module's name in files: with the prefix that text encoders have lost in memory."""
    return name if part == "unet" else f"text_model.{name.removeprefix('text_model.')}"


def peft(changes: Changes) -> dict[str, Tensor]:
    tensors = {}
    for (part, name), (down, up, alpha) in changes.items():
        assert alpha is None
        tensors[f"{part}.{in_file(part, name)}.lora_A.weight"] = down
        tensors[f"{part}.{in_file(part, name)}.lora_B.weight"] = up
    return tensors


def old_diffusers(changes: Changes) -> dict[str, Tensor]:
    """As diffusers wrote attention layers, and those of a text encoder, before it used PEFT."""
    tensors = {}
    for (part, name), (down, up, _) in changes.items():
        if part == "unet":
            stem = name.replace("attn1.", "attn1.processor.").replace("attn2.", "attn2.processor.")
            stem = f"unet.{stem.replace('to_out.0', 'to_out')}_lora"
        else:
            stem = f"{part}.{in_file(part, name)}.lora_linear_layer"
        tensors |= {f"{stem}.down.weight": down, f"{stem}.up.weight": up}
    return tensors


def kohya(changes: Changes, names: Mapping[str, str] | None = None) -> dict[str, Tensor]:
    prefixes = {
        "unet": "lora_unet",
        "text_encoder": "lora_te1" if names else "lora_te",
        "text_encoder_2": "lora_te2",
    }
    tensors = {}
    for (part, name), (down, up, alpha) in changes.items():
        name = in_file(part, name)
        stem = f"{prefixes[part]}_{(names or {}).get(name, name).replace('.', '_')}"
        tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
        if alpha is not None:
            tensors[f"{stem}.alpha"] = torch.tensor(alpha)
    return tensors


def saved(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> Path:
    save_file({key: tensor.contiguous().clone() for key, tensor in tensors.items()}, path, metadata=metadata)
    return path


def drawn_by(pipe: Any) -> Image.Image:
    return pipe(
        REQUEST.prompt,
        negative_prompt=REQUEST.negative_prompt,
        width=REQUEST.width,
        height=REQUEST.height,
        num_inference_steps=REQUEST.num_steps,
        guidance_scale=REQUEST.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(REQUEST.seed),
    ).images[0]


def difference(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max())


def weights(pipe: TextToImagePipeline) -> dict[str, Tensor]:
    parts = {"unet": pipe.model.unet} | {str(i): e.model for i, e in enumerate(pipe.model.text.encoders)}
    return {f"{part}.{k}": v.clone() for part, m in parts.items() for k, v in m.state_dict().items()}


@pytest.fixture(params=["sd", "sdxl"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(request: pytest.FixtureRequest, kind: str) -> Path:
    return request.getfixturevalue(f"{kind}_folder")


def test_peft_layout(folder: Path, kind: str, tmp_path: Path) -> None:
    theirs, ours = stock(folder, kind), TextToImagePipeline.from_pretrained(folder, device="cpu")
    changes = random_changes(theirs, 1, alpha=None)
    plain = ours(REQUEST).image
    ours.load_lora(saved(peft(changes), tmp_path / "style.safetensors"), 0.8)
    merge(theirs, changes, 0.8)
    picture = ours(REQUEST).image
    assert difference(picture, drawn_by(theirs)) <= 1
    assert difference(picture, plain) > 10
