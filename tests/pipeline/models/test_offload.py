"""Parts take turns on the device, and the picture is the same."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import UsageError
from limelight.pipeline.latents.vae import encode
from limelight.pipeline.models.device import take_turns

REQUESTS = [
    GenerationRequest(prompt=p, seed=7, num_steps=n, width=24, height=16) for p, n in (("a", 2), ("b", 3))
]


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_one_part_at_a_time_is_on_the_device(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = request.getfixturevalue(f"{kind}_folder")
    plain = TextToImagePipeline.from_pretrained(folder, device="cpu")
    pipe = TextToImagePipeline.from_pretrained(folder, device="cpu")
    device = torch.device("cpu", 0)  # stands for the GPU: the same memory under another name
    take_turns(pipe.model, device)
    there: set[type] = set()
    most = []
    move = nn.Module.to

    def watched(module: nn.Module, target: Any) -> nn.Module:
        (there.add if target == device else there.discard)(type(module))
        most.append(len(there))
        return move(module, "cpu")

    monkeypatch.setattr(nn.Module, "to", watched)
    for cls in (type(pipe.model.vae), *(type(encoder.model) for encoder in pipe.model.text.encoders)):
        monkeypatch.setattr(cls, "to", watched)
    pictures = pipe(REQUESTS)
    assert max(most) == 1
    assert there == {type(pipe.model.vae)}
    monkeypatch.undo()
    for ours, theirs in zip(pictures, plain(REQUESTS), strict=True):
        assert ours.image.tobytes() == theirs.image.tobytes()


def test_an_image_is_taken_to_where_the_vae_will_be(sd_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    take_turns(pipe.model, torch.device("meta"))  # stands for a GPU
    seen: list[torch.device] = []

    def encode_only(pixels: torch.Tensor, **_: object) -> None:
        seen.append(pixels.device)
        raise InterruptedError

    monkeypatch.setattr(pipe.model.vae, "encode", encode_only)
    with pytest.raises(InterruptedError):
        encode(pipe.model.vae, torch.zeros(1, 3, 16, 16), None)
    assert seen == [torch.device("meta")]


def test_main_memory_is_no_device_to_offload_from(sd_folder: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        TextToImagePipeline.from_pretrained(sd_folder, device="cpu", offload=True)
    assert str(refusal.value) == (
        "offload is for devices with a memory of their own; the device is cpu, leave it out"
    )


@pytest.mark.gpu
def test_a_gpu_gets_its_parts_in_turn(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cuda", dtype="float32", offload=True)
    plain = TextToImagePipeline.from_pretrained(sd_folder, device="cuda", dtype="float32")
    picture = plain(REQUESTS[0]).image
    asked = [*REQUESTS, GenerationRequest(prompt="c", seed=7, num_steps=3, image=picture, strength=0.7)]
    for ours, theirs in zip(pipe(asked), plain(asked), strict=True):
        assert ours.image.tobytes() == theirs.image.tobytes()
    assert pipe.model.unet.conv_in.weight.device.type == "cpu"
    assert pipe.model.vae.device.type == "cuda"
