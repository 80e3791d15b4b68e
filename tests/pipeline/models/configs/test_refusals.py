"""Impossible configurations are refused by name before a library reads them; valid ones load."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.configs.index import read_index
from limelight.pipeline.models.configs.scheduler import read_scheduler_config
from limelight.pipeline.models.configs.text import read_text_config
from limelight.pipeline.models.configs.tokenizer import read_tokenizer
from limelight.pipeline.models.configs.vae import read_vae_config
from limelight.pipeline.models.locate import DEFAULT_MODEL

HUGE = 10**11
VAE = ("vae/config.json", read_vae_config)
TEXT = ("text_encoder/config.json", read_text_config)
SCHEDULER = ("scheduler/scheduler_config.json", read_scheduler_config)
READERS = dict([VAE, TEXT, SCHEDULER])
STORED = json.loads((DEFAULT_MODEL / VAE[0]).read_text())
LEVELS, CHANNELS = len(STORED["block_out_channels"]), STORED["latent_channels"]
NUM_TOKENS = len(json.loads((DEFAULT_MODEL / "tokenizer" / "vocab.json").read_text()))


def spoilt(tmp_path: Path, file: str, **values: Any) -> Path:
    path = tmp_path / Path(file).name
    path.write_text(json.dumps(json.loads((DEFAULT_MODEL / file).read_text()) | values))
    return path


@pytest.mark.parametrize("file", READERS)
def test_valid_files_are_read(file: str) -> None:
    stored = json.loads((DEFAULT_MODEL / file).read_text())
    config = READERS[file](DEFAULT_MODEL / file)
    assert config.items() <= (stored | {"_class_name": stored.get("_class_name")}).items() or file == VAE[0]
    assert READERS[file](DEFAULT_MODEL / file) == config


@pytest.mark.parametrize(
    "content", ["", "[]", "null", "3", "{", "\xff", "[" * 100_000, '{"a":' * 40 + "1" + "}" * 40]
)
@pytest.mark.parametrize("file", READERS)
def test_json_that_is_no_object_is_refused(tmp_path: Path, file: str, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ModelError, match=r"config.json (is not valid JSON|holds a|is nested more than 32)"):
        READERS[file](path)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    home = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(home)


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [fifo, unix_socket, link_to_a_device, Path.mkdir])
@pytest.mark.parametrize("file", READERS)
def test_paths_that_are_no_regular_files_are_refused_at_once(
    tmp_path: Path, file: str, make: Callable[[Path], None]
) -> None:
    make(path := tmp_path / "config.json")
    with pytest.raises(ModelError, match=r"is a (FIFO|socket|device|folder); needs a regular file"):
        READERS[file](path)


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "config.json").write_text("[" + "1," * 2**20)
    with pytest.raises(ModelError, match="has more than 1,048,576 bytes"):
        read_vae_config(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("block_out_channels", [HUGE] * 3, "must be a list, each a whole number from 1 to 8,192"),
        ("block_out_channels", [-32, 64, 128], "must be a list, each a whole number"),
        ("block_out_channels", ["32", "64", "128"], "must be a list, each a whole number"),
        ("block_out_channels", [], "must be a list of 1 to 8 values"),
        ("block_out_channels", None, "block_out_channels is None"),
        ("block_out_channels", [32], f"down_block_types has {LEVELS} entries and block_out_channels 1"),
        ("layers_per_block", 1.5, "must be a whole number from 1 to 16"),
        ("layers_per_block", HUGE, "must be a whole number from 1 to 16"),
        ("latent_channels", [4], "must be a whole number"),
        ("norm_num_groups", 0, "must be a whole number"),
        ("norm_num_groups", 7, "32 channels; must be a multiple of norm_num_groups, 7"),
        ("act_fn", "evil", "must be 'silu'"),
        ("down_block_types", ["Evil"] * 3, "must be a list, each 'DownEncoderBlock2D'"),
        ("scaling_factor", 0, "must be a number above 0"),
        ("scaling_factor", "x", "must be a number above 0"),
        ("scaling_factor", float("nan"), "must be a number above 0"),
        ("latents_mean", [0.0] * 3, f"has 3 values; must have as many as latent_channels, {CHANNELS}"),
        ("latents_mean", [0.0] * CHANNELS, "has one of latents_mean and latents_std; must have both"),
        ("use_quant_conv", 1, "must be true or false"),
        ("_class_name", "AutoencoderTiny", "is of a AutoencoderTiny; supported: AutoencoderKL"),
    ],
)
def test_vae(tmp_path: Path, key: str, value: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_vae_config(spoilt(tmp_path, VAE[0], **{key: value}))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        *(("max_position_embeddings", v, "whole number from 3 to 4,096") for v in (-1, HUGE, None, 2)),
        *(("hidden_size", v, "must be a whole number from 1 to 8,192") for v in (HUGE, "x", True, 0)),
        ("num_attention_heads", 0, "must be a whole number from 1 to 512"),
        ("num_attention_heads", 5, "hidden_size is 256 with 5 heads; must be a multiple"),
        *(("vocab_size", v, "must be a whole number") for v in (-5, "x", 10**400)),
        *(("num_hidden_layers", v, "must be a whole number from 1 to 64") for v in (10**6, 0)),
        *(("hidden_act", v, "must be 'quick_gelu' or") for v in ("evil", ["gelu"], None)),
        ("layer_norm_eps", 0, "must be a number above 0"),
        ("eos_token_id", [1], "must be a whole number"),
    ],
)
def test_text_encoder(tmp_path: Path, key: str, value: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message) as refusal:
        read_text_config(spoilt(tmp_path, TEXT[0], **{key: value}))
    assert len(str(refusal.value)) < 600


DROPPED = {
    **{"attn_implementation": "evil/kernel", "_attn_implementation": "evil/kernel", "torch_dtype": "evil"},
    **{"quantization_config": {"quant_method": "evil"}, "auto_map": {"AutoModel": "evil--evil.Evil"}},
    **{"trust_remote_code": True, "model_type": "evil", "architectures": ["Evil"], "dtype": "evil"},
    **{"tau_func": "evil", "_use_default_values": ["beta_start"], "_name_or_path": "/etc/passwd"},
}


@pytest.mark.parametrize("file", READERS)
def test_keys_that_choose_code_reach_no_library(tmp_path: Path, file: str) -> None:
    config = READERS[file](spoilt(tmp_path, file, **DROPPED))
    assert not config.keys() & DROPPED.keys()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        *(("num_train_timesteps", v, "whole number from 1 to 10,000") for v in (0, -1, "x", 10**12)),
        *(("beta_start", v, "must be a number above 0") for v in (-5.0, "a", 0, 2, None)),
        ("trained_betas", [0.1] * 10, "trained_betas has 10 values; num_train_timesteps is 1000"),
        ("trained_betas", "x", "must be a list"),
        ("trained_betas", [float("inf")] * 1000, "must be a list, each a number above 0"),
        ("beta_schedule", "evil", "must be 'linear' or"),
        ("prediction_type", "evil", "must be 'epsilon' or"),
        ("steps_offset", "x", "must be a whole number"),
        ("timestep_spacing", "evil", "must be 'leading' or"),
        ("_class_name", 3, "does not name its class"),
        ("_class_name", "../evil", "does not name its class"),
        ("beta_end", 1e-9, "beta_start is 0.0001 and beta_end 1e-09; the start must not be larger"),
        ("original_inference_steps", 1001, "at most num_train_timesteps, 1000"),
        ("use_flow_sigmas", True, "for models of another kind"),
        ("solver_order", 10**9, "must be a whole number from 1 to 3"),
    ],
)
def test_scheduler(tmp_path: Path, key: str, value: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_scheduler_config(spoilt(tmp_path, SCHEDULER[0], **{key: value}))


def test_an_infinity_that_diffusers_writes_is_read(tmp_path: Path) -> None:
    path = spoilt(tmp_path, SCHEDULER[0], lambda_min_clipped=-float("inf"))
    assert "-Infinity" in path.read_text()
    assert read_scheduler_config(path)["lambda_min_clipped"] == -float("inf")


@pytest.mark.parametrize("unet", [None, "x", [], {}, 3, ["diffusers"], ["diffusers", {}], ["a", "b", "c"]])
def test_index(tmp_path: Path, unet: Any) -> None:
    folder = Path(
        shutil.copytree(DEFAULT_MODEL, tmp_path / "m", ignore=shutil.ignore_patterns("*.safetensors"))
    )
    spoilt(folder, "model_index.json", unet=unet)
    with pytest.raises(ModelError, match="unet is "):
        read_index(folder)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEFAULT_MODEL / "tokenizer", tmp_path / "tokenizer"))


def change(path: Path, edit: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "vocab.json").unlink(), "has no vocabulary; a CLIP tokenizer has tokenizer.json, or"),
        (lambda d: (d / "merges.txt").unlink(), "has no vocabulary"),
        (lambda d: (d / "tokenizer.json").write_text("{}"), "has no vocabulary"),
        (lambda d: (d / "vocab.json").write_text("{}"), "has no vocabulary"),
        (lambda d: (d / "vocab.json").write_text('{"a": "x"}'), "have no numbers of their own"),
        (lambda d: change(d / "vocab.json", lambda v: v.update(a=1)), "have no numbers of their own"),
        (lambda d: (d / "merges.txt").write_text("zzzz qqqq\n"), "is not of two tokens of the vocabulary"),
        (lambda d: (d / "merges.txt").write_text("a\n"), "is not of two tokens of the vocabulary"),
        (lambda d: (d / "merges.txt").write_bytes(b"\xff"), "utf-8"),
        (lambda d: (d / "added_tokens.json").write_text('{"apple tree": 999999}'), "numbered from 0"),
        (lambda d: (d / "added_tokens.json").write_text('{"tree": "x"}'), "must be a text and a number"),
        (lambda d: change(d / "tokenizer_config.json", lambda v: v.update(bos_token=5)), "bos_token is 5"),
        (
            lambda d: change(d / "tokenizer_config.json", lambda v: v.update(pad_token="<none>")),
            "pad_token is '<none>', which the vocabulary does not have",
        ),
    ],
)
def test_tokenizer(tokenizer: Path, spoil: Callable[[Path], object], message: str) -> None:
    read_tokenizer(tokenizer, num_embeddings=NUM_TOKENS)
    spoil(tokenizer)
    with pytest.raises(ModelError, match=message):
        read_tokenizer(tokenizer, num_embeddings=NUM_TOKENS)


def test_a_vocabulary_larger_than_the_text_encoders_is_refused(tokenizer: Path) -> None:
    few = NUM_TOKENS - 1
    with pytest.raises(ModelError, match=f"has the number {few}; its text encoder has {few:,} tokens"):
        read_tokenizer(tokenizer, num_embeddings=few)


TEXTS = [
    "a red apple",
    "<|startoftext|> BLUE! don't  \xe9t\xe9 \u4e2d \U0001f600",
    "1234 a1b2",
    "a <new> word",
]


@pytest.mark.parametrize("layout", ["vocab.json", "tokenizer.json", "added"])
def test_a_tokenizer_reads_as_transformers_own_does(tokenizer: Path, tmp_path: Path, layout: str) -> None:
    from transformers import CLIPTokenizer

    theirs, num_embeddings = CLIPTokenizer.from_pretrained(tokenizer), NUM_TOKENS
    if layout != "vocab.json":
        num_embeddings += theirs.add_tokens(["<new>"]) if layout == "added" else 0
        theirs.save_pretrained(tokenizer := tmp_path / "again")
        assert (tokenizer / "tokenizer.json").is_file()
    ours = read_tokenizer(tokenizer, num_embeddings=num_embeddings)
    for text in TEXTS:
        assert ours(text, return_offsets_mapping=True) == theirs(text, return_offsets_mapping=True)
    assert ours.special_tokens_map == theirs.special_tokens_map
    ours.save_pretrained(tmp_path / "saved")
    assert read_tokenizer(tmp_path / "saved", num_embeddings=num_embeddings)(TEXTS[1]) == theirs(TEXTS[1])
