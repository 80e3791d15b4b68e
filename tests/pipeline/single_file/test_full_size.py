"""A checkpoint of Stable Diffusion 1.5's size: diffusers' prediction, in little memory and time."""

import gc
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.single_file import load_single_file
from pipeline.single_file.tokenizer import NUM_TOKENS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
MEASURE = """
import json, sys, time
from pathlib import Path
import diffusers.models.autoencoders.autoencoder_kl, transformers, torch
from transformers import CLIPTextModel, CLIPTokenizer
from pipeline.single_file import load_single_file

def peak():  # of this process alone; ru_maxrss would begin at its parent's
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

path = Path(sys.argv[1])
def read():
    started = time.perf_counter()
    buffer = memoryview(bytearray(2**24))
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - started
read()
before, reading = peak(), read()
started = time.perf_counter()
model = load_single_file(path, name="full", device=torch.device("cpu"))
print(json.dumps({"memory": peak() - before, "loading": time.perf_counter() - started, "reading": reading}))
"""


def filled(module: Any, seed: int) -> Any:
    """The module, made on meta, with small random weights that float16 holds exactly."""
    random = torch.Generator().manual_seed(seed)
    state = {
        name: torch.empty(weight.shape, dtype=torch.float16).normal_(0, 0.02, generator=random)
        for name, weight in module.state_dict().items()
    }
    module.load_state_dict(state, assign=True)
    return module.eval()


def write(path: Path, original_layout: Any) -> Any:
    """A checkpoint in `path`; gives the U-Net that is in it."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768)
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        )
        shape = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
        text = CLIPTextModel(CLIPTextConfig(vocab_size=NUM_TOKENS, num_hidden_layers=12, **shape))
    filled(unet, 0)
    names = original_layout.unet_names(unet)
    tensors: Mapping[str, Tensor] = {
        **{names[name]: weight for name, weight in unet.state_dict().items()},
        **original_layout.vae_tensors(filled(vae, 1)),
        **original_layout.clip_tensors(filled(text, 2), "cond_stage_model.transformer."),
    }
    save_file(dict(tensors), path)
    return unet


def test_sd1_at_full_size(tmp_path: Path, original_layout: Any) -> None:
    path = tmp_path / "full.safetensors"
    reference = write(path, original_layout)
    gc.collect()
    size = path.stat().st_size

    command = [sys.executable, "-c", MEASURE, str(path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    measured = json.loads(run.stdout)
    print(size, measured)
    assert 0.9 * size <= measured["memory"] <= 1.15 * size

    unet = load_single_file(path, name="full", device=torch.device("cpu"), dtype=torch.float32).unet
    reference = reference.float()
    random = torch.Generator().manual_seed(3)
    x = torch.randn(1, 4, 32, 32, generator=random)
    context = torch.randn(1, 77, 768, generator=random)
    with torch.inference_mode():
        expected = reference(x, torch.tensor([601]), context).sample
        found = unet(x, torch.tensor([601]), context)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
