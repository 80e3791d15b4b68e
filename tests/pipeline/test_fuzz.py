"""Files that were spoilt at random: each is read right or refused in words, soon and in little memory."""

import json
import random
import resource
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import UsageError
from limelight.unet import UNetConfigError, WeightsError

pytestmark = pytest.mark.slow

REFUSALS = (UsageError, WeightsError, UNetConfigError)
MAX_SECONDS, MAX_MEGABYTES = 2.0, 300
NUM_CONFIGS, NUM_ADAPTERS, PER_TEST = 2_000, 500, 100
CONFIGS = (
    *("model_index.json", "unet/config.json", "vae/config.json", "text_encoder/config.json"),
    *("scheduler/scheduler_config.json", "tokenizer/vocab.json", "tokenizer/tokenizer_config.json"),
    *("vocabulary.json", "near.json", "unet/diffusion_pytorch_model.safetensors.index.json"),
)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 8, 64, 1000, 10**5, 10**9, 10**12, -(10**9), 10**30, 10**400),
    *(0.0, 0.5, -0.5, 1e-300, 1e300, float("inf"), float("-inf"), float("nan")),
    *("", "x", "../../etc/passwd", "/dev/zero", "\0", "a" * 10_000, "\ud800", "evil--model/x.py", "float16"),
    *([], {}, [[]], [0] * 5, ["x"], [10**9] * 4, {"x": 1}, [None], [[[[[[1]]]]]], ["diffusers", "X"]),
)


def odd(rng: random.Random) -> Any:
    return deepcopy(rng.choice(ODD))


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key in a JSON value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from nodes(value[key])


def spoil_value(content: Any, rng: random.Random) -> Any:
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(nodes(content))
        if not places:
            return odd(rng)
        owner, key = rng.choice(places)
        match rng.randrange(6):
            case 0 | 1 | 2:
                owner[key] = odd(rng)
            case 3:
                owner.pop(key)
            case 4 if isinstance(owner, dict):
                owner[rng.choice(("auto_map", "quantization_config", "attn_implementation", "x"))] = odd(rng)
            case _:
                owner[key] = [owner[key]] * rng.choice((1, 2, 100))
    return content


def spoil_bytes(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    match rng.randrange(5):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes(rng.randrange(256) for _ in range(8)) + data[at:]
        case 2:
            return data[:at] + data[at + rng.choice((1, 8, 100)) :]
        case 3:
            return (
                data[:at]
                + rng.choice((b"[", b"{", b'"', b"\0", b"9")) * rng.choice((1, 50, 5_000))
                + data[at:]
            )
        case _:
            return data[: max(0, at - 1)] + bytes([rng.randrange(256)]) + data[at:]


def assert_survived(run: Callable[[], object], what: str) -> None:
    start, before = time.process_time(), megabytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run()
    except REFUSALS as refusal:
        assert 0 < len(str(refusal)) < 20_000, what
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {str(error)[:300]}") from error
    assert time.process_time() - start < MAX_SECONDS, what
    assert megabytes() - before < MAX_MEGABYTES, what


@pytest.mark.parametrize("seed", range(NUM_CONFIGS // PER_TEST))
def test_configurations(sd_folder: Path, tmp_path: Path, seed: int) -> None:
    folder = Path(shutil.copytree(sd_folder, tmp_path / "model"))
    (weights,) = (folder / "unet").glob("*.safetensors")
    weights.rename(weights.with_name("shard.safetensors"))
    keys = load_file(weights.with_name("shard.safetensors"))
    (folder / CONFIGS[-1]).write_text(json.dumps({"weight_map": dict.fromkeys(keys, "shard.safetensors")}))
    (folder / "vocabulary.json").write_text(json.dumps({"nouns": {"apple": "apples"}, "colours": ["red"]}))
    (folder / "near.json").write_text(json.dumps({"words": {"fruit": ["apple"]}, "kinds": {}, "emoji": {}}))
    TextToImagePipeline.from_pretrained(folder, device="cpu")  # whole, and the libraries are imported
    rng = random.Random(seed)

    def load() -> None:
        pipe = TextToImagePipeline.from_pretrained(folder, device="cpu")
        pipe.model.schedulers.check_steps("model", 4)
        pipe.model.text.prompt("a red apple")

    for number in range(PER_TEST):
        path = folder / rng.choice(CONFIGS)
        if not path.is_file():
            path = folder / "tokenizer" / "tokenizer.json"
        whole = path.read_bytes()
        if rng.random() < 0.7:
            path.write_bytes(json.dumps(spoil_value(json.loads(whole), rng)).encode())
        else:
            path.write_bytes(spoil_bytes(whole, rng))
        spoilt = path.read_bytes()
        assert_survived(load, f"seed {seed}, {number}: {path.name} is {spoilt[:2000]!r}")
        path.write_bytes(whole)


UNET = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
STEMS = (
    f"unet.{UNET}",
    f"lora_unet_{UNET.replace('.', '_')}",
    f"base_model.model.{UNET}",
    "bundle_emb.x",
    "x",
)
ROLES = (
    *("lora_A.weight", "lora_B.weight", "lora_down.weight", "lora_up.weight", "lora_mid.weight", "alpha"),
    *("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2", "dora_scale", "lora_B.bias"),
    *("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2", "x"),
    *("lora_magnitude_vector", "lora_A.default.weight", "emb_params", "step"),
)
SIZES = (0, 1, 2, 3, 4, 6, 16, 24)
METADATA = (
    *(
        "",
        "{",
        "[]",
        '{"unet.lora_alpha": 1e999}',
        '{"unet.r": 0}',
        '{"unet.alpha_pattern": [1]}',
        '{"a": NaN}',
    ),
    *('{"unet.alpha_pattern": {"^x": 1}}', '{"unet.use_dora": true}', '{"unet.use_rslora": 5, "unet.r": 3}'),
)


def random_adapter(path: Path, rng: random.Random) -> None:
    tensors = {}
    stem = rng.choice(STEMS)
    for _ in range(rng.randrange(1, 6)):
        shape = tuple(rng.choice(SIZES) for _ in range(rng.choice((0, 1, 2, 2, 2, 2, 4))))
        dtype = rng.choice((torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool))
        tensors[f"{stem}.{rng.choice(ROLES)}"] = torch.ones(shape).to(dtype)
    notes = {"lora_adapter_metadata": rng.choice(METADATA)} if rng.random() < 0.3 else None
    save_file(tensors, path, metadata=notes)
    if rng.random() < 0.4:
        path.write_bytes(spoil_bytes(path.read_bytes(), rng))


@pytest.mark.parametrize("seed", range(NUM_ADAPTERS // PER_TEST))
def test_adapters(sd: TextToImagePipeline, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)

    def load() -> None:
        try:
            sd.load_lora(path)
        finally:
            sd.unload_lora()

    def learn() -> None:
        try:
            sd.load_embedding(path)
        finally:
            sd.unload_embedding()

    for number in range(PER_TEST):
        random_adapter(path := tmp_path / f"{number}.safetensors", rng)
        assert_survived(
            rng.choice((load, load, learn)), f"seed {seed}, {number}: {path.read_bytes()[:1500]!r}"
        )
