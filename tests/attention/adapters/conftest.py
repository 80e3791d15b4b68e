"""Tiny models of transformers with random weights, and batches with padding on either side."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

VOCABULARY = 40


def _llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
        )
    )


def _gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64))


def _falcon(**options: object) -> Any:
    from transformers import FalconConfig, FalconForCausalLM

    return FalconForCausalLM(
        FalconConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=64,
            **options,
        )
    )


def _clip() -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=64,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    )


def _blip() -> Any:
    from transformers import BlipConfig, BlipForConditionalGeneration

    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = small | {"vocab_size": VOCABULARY, "max_position_embeddings": 64, "encoder_hidden_size": 32}
    tokens = {"bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    vision = small | {"image_size": 16, "patch_size": 8}
    return BlipForConditionalGeneration(BlipConfig(text_config=text | tokens, vision_config=vision))


MODELS: dict[str, Callable[[], Any]] = {
    "clip": _clip,
    "gpt2": _gpt2,
    "llama": _llama,
    "falcon": lambda: _falcon(multi_query=True),
    "falcon-alibi": lambda: _falcon(multi_query=True, alibi=True),
    "falcon-grouped": lambda: _falcon(new_decoder_architecture=True, num_kv_heads=2),
    "blip": _blip,
}


@pytest.fixture
def make() -> Callable[[str], Any]:
    """make(name) -> the model, the same weights every time."""

    def of(name: str) -> Any:
        torch.manual_seed(0)
        return MODELS[name]().eval()

    return of


@pytest.fixture(params=["none", "left", "right"])
def inputs(request: pytest.FixtureRequest) -> dict[str, torch.Tensor]:
    """Three texts of 4 to 9 tokens."""
    torch.manual_seed(1)
    ids = torch.randint(4, VOCABULARY, (3, 9))
    mask = torch.ones_like(ids)
    if request.param != "none":
        for row, length in enumerate((4, 9, 6)):
            mask[row, slice(0, 9 - length) if request.param == "left" else slice(length, 9)] = 0
        ids = ids.masked_fill(mask == 0, 1)
    return {"input_ids": ids, "attention_mask": mask}
