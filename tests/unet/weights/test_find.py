"""Finding the files of a model's weights, and no other files next to them."""

import json

import pytest

from limelight.unet import UNet
from limelight.unet.weights.find import WeightsNotFound, find_weights
from limelight.unet.weights.header import DamagedWeights, PickledWeights


def test_shards_are_found_without_their_index(model, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="200KB")
    expected = find_weights(tmp_path)
    (tmp_path / "diffusion_pytorch_model.safetensors.index.json").unlink()
    assert find_weights(tmp_path) == expected
    expected[1].unlink()
    with pytest.raises(
        WeightsNotFound, match=f"has {len(expected) - 1} shards; needs a whole set of {len(expected)}"
    ):
        find_weights(tmp_path)


def test_finds_the_files_of_transformers(tmp_path):
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
    CLIPTextModel(config).save_pretrained(tmp_path, max_shard_size="500KB")
    assert len(find_weights(tmp_path, stem="model")) > 1


def test_a_missing_shard_is_named(model, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="200KB")
    shard = find_weights(tmp_path)[2]
    shard.unlink()
    with pytest.raises(WeightsNotFound, match=f"names '{shard.name}', which is not there"):
        UNet.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["../other.safetensors", "/etc/passwd", "w.bin", 7, ["x.safetensors"]])
def test_an_index_cannot_name_a_file_elsewhere(tmp_path, name):
    index = tmp_path / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(DamagedWeights, match=r"needs the plain name|is no index of weights"):
        find_weights(tmp_path)


def test_the_only_variant_is_taken(model, tmp_path):
    model.save_pretrained(tmp_path, variant="fp16")
    assert find_weights(tmp_path) == (tmp_path / "diffusion_pytorch_model.fp16.safetensors",)
    UNet.from_pretrained(tmp_path)


def test_the_message_lists_the_variants(model, tmp_path):
    model.save_pretrained(tmp_path, variant="fp16")
    model.save_pretrained(tmp_path, variant="non_ema")
    with pytest.raises(WeightsNotFound, match=r"has no .*l\.safetensors; it has variant='fp16', 'non_ema'"):
        UNet.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    with pytest.raises(
        WeightsNotFound, match=r"has no .*\.bf16\.safetensors; it has variant=None, 'fp16', 'non_ema'"
    ):
        UNet.from_pretrained(tmp_path, variant="bf16")


def test_a_folder_of_pickles_is_refused_with_the_way_out(model, tmp_path):
    model.save_pretrained(tmp_path, safe_serialization=False)
    with pytest.raises(PickledWeights, match=r"only pickles \(diffusion_pytorch_model\.bin\)") as refusal:
        UNet.from_pretrained(tmp_path)
    assert "save_pretrained(..., safe_serialization=True)" in str(refusal.value)


def test_an_empty_or_missing_folder(tmp_path):
    with pytest.raises(WeightsNotFound, match=r"has no diffusion_pytorch_model\.safetensors$"):
        find_weights(tmp_path)
    with pytest.raises(WeightsNotFound, match="is not a folder"):
        find_weights(tmp_path / "nowhere")
