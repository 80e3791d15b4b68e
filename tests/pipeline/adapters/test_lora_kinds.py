"""Adapters of every kind, in the names that PEFT, LyCORIS, OneTrainer and ComfyUI give them, merge as their
definitions say."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.adapters.lora import WordsLeftOut
from limelight.pipeline.errors import AdapterError
from tests.pipeline.adapters.lora_files import saved

LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"  # 16 x 24
OUT_LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0"  # 16 x 16, with a bias
ORIGINAL = "input_blocks.1.1.transformer_blocks.0.attn2.to_k"
RANK, ALPHA = 2, 1.0
KOHYA = f"lora_unet_{LAYER.replace('.', '_')}"


def rand(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * 0.3


DOWN, UP = rand(RANK, 24), rand(16, RANK)
LOHA = {
    **{"hada_w1_a": rand(16, RANK), "hada_w1_b": rand(RANK, 24)},
    **{"hada_w2_a": rand(16, RANK) + 1, "hada_w2_b": rand(RANK, 24) - 1},
}
LOKR = {"lokr_w1": rand(4, 4), "lokr_w2_a": rand(4, RANK), "lokr_w2_b": rand(RANK, 6)}
LOKR_WHOLE = {"lokr_w1": rand(4, 4), "lokr_w2": rand(4, 6)}


def loha_product() -> Tensor:
    return (LOHA["hada_w1_a"] @ LOHA["hada_w1_b"]) * (LOHA["hada_w2_a"] @ LOHA["hada_w2_b"])


def lokr_product() -> Tensor:
    return torch.kron(LOKR["lokr_w1"], LOKR["lokr_w2_a"] @ LOKR["lokr_w2_b"])


def delta_of(
    pipe: TextToImagePipeline, path: Path, layer: str = LAYER, parameter: str = "weight", weight: float = 1.0
) -> Tensor:
    target = getattr(pipe.model.unet.get_submodule(layer), parameter)
    before = target.detach().clone()
    pipe.load_lora(path, weight)
    change = target.detach() - before
    pipe.unload_lora()
    assert target.equal(before)
    return change


def named(stem: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{stem}.{name}": tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    "stem",
    [
        *(f"unet.{LAYER}", f"base_model.model.{LAYER}", f"unet.{ORIGINAL}", f"diffusion_model.{ORIGINAL}"),
        *(f"model.diffusion_model.{ORIGINAL}", f"lora_unet.{LAYER}", KOHYA),
        f"lora_unet_{ORIGINAL.replace('.', '_')}",
    ],
)
def test_every_spelling_of_a_layer(sd: TextToImagePipeline, tmp_path: Path, stem: str) -> None:
    tensors = named(stem, {"lora_down.weight": DOWN, "lora_up.weight": UP, "alpha": torch.tensor(ALPHA)})
    torch.testing.assert_close(
        delta_of(sd, saved(tensors, tmp_path / "x.safetensors")), ALPHA / RANK * UP @ DOWN
    )


@pytest.mark.parametrize(
    "stem",
    [
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj",
        "lora_te1.text_model.encoder.layers.0.self_attn.q_proj",
        "clip_l.text_model.encoder.layers.0.self_attn.q_proj",
        "text_encoders.clip_l.transformer.text_model.encoder.layers.0.self_attn.q_proj",
    ],
)
def test_every_spelling_of_a_text_encoders_layer(sd: TextToImagePipeline, tmp_path: Path, stem: str) -> None:
    tensors = named(stem, {"lora_down.weight": rand(RANK, 24), "lora_up.weight": rand(24, RANK)})
    sd.load_lora(saved(tensors, tmp_path / "x.safetensors"))
    assert sd.model.adapters.loras[0].lora.parts == ("text_encoder",)


@pytest.mark.parametrize("stem", [KOHYA, f"unet.{LAYER}"])
@pytest.mark.parametrize("alpha", [None, ALPHA])
def test_loha(sd: TextToImagePipeline, tmp_path: Path, stem: str, alpha: float | None) -> None:
    tensors = named(stem, LOHA) | ({} if alpha is None else {f"{stem}.alpha": torch.tensor(alpha)})
    scale = 1.0 if alpha is None else alpha / RANK
    delta = delta_of(sd, saved(tensors, tmp_path / "x.safetensors"), weight=0.5)
    torch.testing.assert_close(delta, 0.5 * scale * loha_product())


@pytest.mark.parametrize("stem", [KOHYA, f"unet.{LAYER}"])
def test_lokr(sd: TextToImagePipeline, tmp_path: Path, stem: str) -> None:
    tensors = named(stem, LOKR) | {f"{stem}.alpha": torch.tensor(ALPHA)}
    delta = delta_of(sd, saved(tensors, tmp_path / "x.safetensors"))
    torch.testing.assert_close(delta, ALPHA / RANK * lokr_product())


def test_the_alpha_of_whole_matrices_of_lokr_does_nothing(sd: TextToImagePipeline, tmp_path: Path) -> None:
    tensors = named(KOHYA, LOKR_WHOLE) | {f"{KOHYA}.alpha": torch.tensor(1e9)}
    delta = delta_of(sd, saved(tensors, tmp_path / "x.safetensors"))
    torch.testing.assert_close(delta, torch.kron(LOKR_WHOLE["lokr_w1"], LOKR_WHOLE["lokr_w2"]))


@pytest.mark.parametrize(("kind", "tensors"), [("LOHA", LOHA), ("LOKR", LOKR)])
def test_pefts_configuration_gives_the_scale(
    sd: TextToImagePipeline, tmp_path: Path, kind: str, tensors: dict[str, Tensor]
) -> None:
    config = {"peft_type": kind, "r": RANK, "alpha": 5, "alpha_pattern": {}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    saved(named(f"base_model.model.{LAYER}", tensors), tmp_path / "adapter_model.safetensors")
    product = loha_product() if kind == "LOHA" else lokr_product()
    torch.testing.assert_close(delta_of(sd, tmp_path), 5 / RANK * product)


@pytest.mark.parametrize("key", ["lora_magnitude_vector", "lora_magnitude_vector.weight", "dora_scale"])
@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_dora(sd: TextToImagePipeline, tmp_path: Path, key: str, weight: float) -> None:
    stem, magnitude = f"unet.{LAYER}", rand(16).abs() + 0.5
    pair = {"lora_A.weight": DOWN, "lora_B.weight": UP}
    tensors = named(stem, pair | {key: magnitude[:, None] if key == "dora_scale" else magnitude})
    original = sd.model.unet.get_submodule(LAYER).weight.detach().clone()
    changed = original + UP @ DOWN
    expected = magnitude[:, None] * changed / changed.norm(dim=1, keepdim=True) - original
    delta = delta_of(sd, saved(tensors, tmp_path / "x.safetensors"), weight=weight)
    torch.testing.assert_close(delta, weight * expected, atol=1e-5, rtol=1e-5)


def test_dora_of_lycoris_has_the_lengths_of_inputs(sd: TextToImagePipeline, tmp_path: Path) -> None:
    magnitude = rand(1, 24).abs() + 0.5
    tensors = named(KOHYA, LOHA | {"dora_scale": magnitude})
    original = sd.model.unet.get_submodule(LAYER).weight.detach().clone()
    changed = original + loha_product()
    expected = magnitude * changed / changed.norm(dim=0, keepdim=True) - original
    delta = delta_of(sd, saved(tensors, tmp_path / "x.safetensors"))
    torch.testing.assert_close(delta, expected, atol=1e-5, rtol=1e-5)


def test_a_lora_with_biases_shifts_the_layers_own(sd: TextToImagePipeline, tmp_path: Path) -> None:
    pair = {"lora_A.weight": rand(RANK, 16), "lora_B.weight": rand(16, RANK), "lora_B.bias": rand(16)}
    path = saved(named(f"unet.{OUT_LAYER}", pair), tmp_path / "x.safetensors")
    torch.testing.assert_close(delta_of(sd, path, OUT_LAYER, "bias"), rand(16))
    torch.testing.assert_close(delta_of(sd, path, OUT_LAYER), rand(16, RANK) @ rand(RANK, 16))


def test_biases_for_a_layer_without_one_are_refused(sd: TextToImagePipeline, tmp_path: Path) -> None:
    pair = {"lora_A.weight": DOWN, "lora_B.weight": UP, "lora_B.bias": rand(16)}
    with pytest.raises(AdapterError, match="is given, and this layer has no bias"):
        sd.load_lora(saved(named(f"unet.{LAYER}", pair), tmp_path / "x.safetensors"))


@pytest.mark.parametrize(
    ("pattern", "alpha"),
    [
        *((f"^{LAYER}", 5.0), (f"^{LAYER}$", 5.0), (LAYER.replace(".", "\\."), 5.0), ("attn2.to_k", 5.0)),
        *(("^attn2.to_k", 1.0), ("to_q", 1.0)),
    ],
)
def test_patterns_of_alpha(sd: TextToImagePipeline, tmp_path: Path, pattern: str, alpha: float) -> None:
    config = {"unet.lora_alpha": 1, "unet.r": RANK, "unet.alpha_pattern": {pattern: 5}}
    tensors = named(f"unet.{LAYER}", {"lora_A.weight": DOWN, "lora_B.weight": UP})
    path = saved(tensors, tmp_path / "x.safetensors", {"lora_adapter_metadata": json.dumps(config)})
    torch.testing.assert_close(delta_of(sd, path), alpha / RANK * UP @ DOWN)


def test_learned_words_in_a_lora_are_left_out_with_a_warning(sd: TextToImagePipeline, tmp_path: Path) -> None:
    tensors = named(KOHYA, {"lora_down.weight": DOWN, "lora_up.weight": UP})
    tensors["bundle_emb.toy word.emb_params"] = rand(2, 24)
    path = saved(tensors, tmp_path / "x.safetensors")
    with pytest.warns(WordsLeftOut, match="brings 1 learned words along .'toy word'., which have no effect"):
        torch.testing.assert_close(delta_of(sd, path), UP @ DOWN)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (dict([*LOHA.items()][:3]), "has no hada_w2_b weights for unet."),
        (LOHA | {"hada_t1": rand(2, 2, 3, 3)}, "has no hada_t2 weights"),
        ({"lokr_w1": rand(4, 4)}, "has no lokr_w2_a and lokr_w2_b weights"),
        (LOKR | {"lokr_w1": rand(4, 3)}, "is [16, 18] and must be [16, 24]"),
        (LOHA | LOKR, "has LoHa and LoKr for unet."),
        (LOHA | {"hada_w1_b": rand(RANK, 25)}, "is factors that do not fit together"),
    ],
)
def test_an_incomplete_adapter_is_refused(
    sd: TextToImagePipeline, tmp_path: Path, tensors: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(AdapterError) as refusal:
        sd.load_lora(saved(named(KOHYA, tensors), tmp_path / "x.safetensors"))
    assert message in str(refusal.value)


def test_a_header_is_judged_before_its_weights_are_read(
    sd: TextToImagePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limelight.pipeline.adapters import lora

    def read(places: dict[str, tuple[Path, object]]) -> dict[str, Tensor]:
        assert not places, "weights were read"
        return {}

    path = saved(
        named(KOHYA, {"lora_down.weight": rand(RANK, 25), "lora_up.weight": UP}), tmp_path / "x.safetensors"
    )
    monkeypatch.setattr(lora, "read_places", read)
    with pytest.raises(AdapterError, match=r"must be \[16, 24\]"):
        sd.load_lora(path)


def test_an_implausibly_large_change_is_refused(sd: TextToImagePipeline, tmp_path: Path) -> None:
    tensors = named(
        KOHYA, {"lora_down.weight": torch.zeros(60_000, 24), "lora_up.weight": torch.zeros(16, 60_000)}
    )
    with pytest.raises(
        AdapterError, match="holds 2,400,000 numbers to change 384 weights; at most 64 for each"
    ):
        sd.load_lora(saved(tensors, tmp_path / "x.safetensors"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"unet.lora_alpha": ' + "9" * 400 + "}", "alpha is a number of hundreds of digits"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"unet.use_dora": true}', "says that it is DoRA and has no magnitudes"),
        ('{"unet.r": -1}', "r is -1; must be a whole number"),
    ],
)
def test_impossible_configurations_are_refused(
    sd: TextToImagePipeline, tmp_path: Path, config: str, message: str
) -> None:
    tensors = named(f"unet.{LAYER}", {"lora_A.weight": DOWN, "lora_B.weight": UP})
    with pytest.raises(AdapterError, match=message):
        sd.load_lora(saved(tensors, tmp_path / "x.safetensors", {"lora_adapter_metadata": config}))
