"""Checkpoints of full size: diffusers' prediction, in little memory and time.

`pytest -m slow -s tests/pipeline/models/single_file/test_full_size.py` prints what is measured.
"""

import ctypes
import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import torch
from torch import Tensor

from limelight.pipeline.memory import free_bytes
from limelight.pipeline.models.single_file.load import load_single_file
from limelight.pipeline.models.single_file.tokenizer import NUM_TOKENS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[4]
# Seconds are of the processor: those of the clock depend on what else the machine does. To read a file into
# memory that holds it is what loading cannot do without.
MEASURE = """
import json, statistics, sys, time
from pathlib import Path
import diffusers.models.autoencoders.autoencoder_kl, transformers, torch
from transformers import CLIPTextModel, CLIPTokenizer
from limelight.pipeline.models.single_file.load import load_single_file

def peak():  # of this process alone; ru_maxrss would begin at its parent's
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

def load():
    return load_single_file(path, name="full", device=torch.device("cpu"))

def seconds(act):
    started = time.process_time()
    kept = act()
    return time.process_time() - started

path, before = Path(sys.argv[1]), peak()
load()
memory = peak() - before
rounds = [(seconds(path.read_bytes), seconds(load)) for _ in range(int(sys.argv[2]))]
reading, loading = map(statistics.median, zip(*rounds))
print(json.dumps({"memory": memory, "reading": reading, "loading": loading}))
"""
# A picture in float32, as `limelight generate` draws it on a CPU. It is small: what a VAE computes with grows
# with the picture, by 2 GiB per million pixels.
DRAW = """
import sys
from pathlib import Path
import diffusers.models.autoencoders.autoencoder_kl
from transformers import CLIPTextModel, CLIPTokenizer
from limelight import TextToImagePipeline

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

before = peak()
pipe = TextToImagePipeline.from_pretrained(sys.argv[1], device="cpu")
modules = [pipe.model.unet, pipe.model.vae, *(encoder.model for encoder in pipe.model.text.encoders)]
pipe("a lighthouse", num_steps=1, width=256, height=256)
print((peak() - before) / sum(weight.nbytes for module in modules for weight in module.parameters()))
"""
MOST_BYTES = {
    "sd1": 6 * 2**30,
    "sdxl": 16 * 2**30,
}  # that the test takes, of SDXL 1.09 x its weights in float32
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
CLIP_L: dict[str, Any] = {
    "vocab_size": NUM_TOKENS,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
CLIP_G = CLIP_L | {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
    "hidden_act": "gelu",
}
SDXL: dict[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


def filled(module: Any) -> Any:
    """The module, made on meta, with small random weights that float16 holds exactly."""
    pool = torch.randn(2**20, generator=torch.Generator().manual_seed(0)).mul(0.02).half()
    state = {}
    for name, weight in module.state_dict().items():
        ours = pool.roll(crc32(name.encode()) % len(pool)).repeat(-(-weight.numel() // len(pool)))
        state[name] = ours[: weight.numel()].view(weight.shape).clone()
    module.load_state_dict(state, assign=True)
    return module.eval()


def write(path: Path, kind: str, layout: Any) -> Any:
    """A checkpoint in `path`; gives the U-Net that is in it."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with torch.device("meta"):
        unet = UNet2DConditionModel(**(SDXL if kind == "sdxl" else {"cross_attention_dim": 768}))
        vae = AutoencoderKL(**VAE)
        small = CLIPTextModel(CLIPTextConfig(**CLIP_L))
        large = CLIPTextModelWithProjection(CLIPTextConfig(**CLIP_G))
    filled(unet)
    names = layout.unet_names(unet)
    tensors: dict[str, Tensor] = {names[name]: weight for name, weight in unet.state_dict().items()}
    tensors |= layout.vae_tensors(filled(vae))
    if kind == "sdxl":
        tensors |= layout.clip_tensors(filled(small), "conditioner.embedders.0.transformer.")
        tensors |= layout.open_clip_tensors(filled(large), "conditioner.embedders.1.model.")
    else:
        tensors |= layout.clip_tensors(filled(small), "cond_stage_model.transformer.")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return unet


@pytest.fixture(autouse=True, scope="module")
def imported_before_there_are_weights() -> None:
    """An error that the import survives stays, and with it every tensor of the functions that it came
    through."""
    from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: F401
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection  # noqa: F401


@pytest.fixture(autouse=True, scope="module")
def memory_goes_back_at_once() -> None:
    """glibc by itself would keep gigabytes of freed tensors for later."""
    if sys.platform == "linux":
        m_mmap_threshold = -3
        ctypes.CDLL(None).mallopt(m_mmap_threshold, 2**18)


def run(script: str, *arguments: str) -> str:
    """What a script prints, in a process of its own."""
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_full_size(tmp_path: Path, original_layout: Any, kind: str) -> None:
    free = free_bytes()
    if free is not None and free < MOST_BYTES[kind]:
        pytest.skip(f"it takes {MOST_BYTES[kind] / 2**30:.0f} GiB; {free / 2**30:.0f} are free")
    path = tmp_path / "full.safetensors"
    reference = write(path, kind, original_layout)
    gc.collect()
    size = path.stat().st_size

    x = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    context = torch.randn(
        1, 77, reference.config.cross_attention_dim, generator=torch.Generator().manual_seed(4)
    )
    pooled, sizes = torch.ones(1, 1280) / 2, torch.tensor([[1024.0, 1024, 0, 0, 1024, 1024]])
    added = {"text_embeds": pooled, "time_ids": sizes} if kind == "sdxl" else None
    t = torch.tensor([601])
    with torch.inference_mode():
        expected = reference.float()(x, t, context, added_cond_kwargs=added).sample
    del reference
    gc.collect()

    model = load_single_file(path, name="full", device=torch.device("cpu"), dtype=torch.float32)
    conditions = {"pooled": pooled, "size_ids": sizes} if kind == "sdxl" else {}
    with torch.inference_mode():
        found = model.unet(x, t, context, **conditions)
    difference = ((found - expected).abs().max() / expected.abs().max()).item()
    assert difference <= 1e-5
    del model
    gc.collect()

    measured = json.loads(run(MEASURE, str(path), "1" if kind == "sdxl" else "3"))
    drawing = float(run(DRAW, str(path)))
    path.unlink()
    memory, seconds = measured["memory"] / size, measured["loading"] / measured["reading"]
    print(
        f"\n{kind}, {size / 2**20:,.0f} MiB: peak memory {memory:.2f} x the file; loading takes "
        f"{seconds:.2f} x the processor time of reading it "
        f"({measured['loading']:.2f} s, {measured['reading']:.2f} s); "
        f"difference {difference:.1e}; drawing in float32: peak memory {drawing:.2f} x its weights"
    )
    assert 0.9 <= memory <= 1.15
    assert seconds <= 1.3
    assert drawing <= (1.15 if kind == "sdxl" else 1.6)
