"""Reading diffusers' configs: supported values, and messages about unsupported ones."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limelight.unet import UNetConfigError
from limelight.unet.config.read_diffusers import read_config

TINY_LEVELS = {
    "block_out_channels": [32, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
}


def read(**content):
    return read_config(TINY_LEVELS | content)


def test_an_empty_config_is_the_first_stable_diffusion_but_for_its_text_encoder():
    config = read_config({"_class_name": "UNet2DConditionModel", "cross_attention_dim": 768})
    assert [level.channels for level in config.down] == [320, 640, 1280, 1280]
    assert [level.depths for level in config.down] == [(1, 1), (1, 1), (1, 1), ()]
    assert [level.depths for level in config.up] == [(), (1, 1, 1), (1, 1, 1), (1, 1, 1)]
    assert {level.num_heads for level in (*config.down, *config.up)} == {8}
    assert (config.context_dim, config.time_embed_dim, config.added) == (768, 1280, None)


def test_attention_head_dim_is_the_number_of_heads_and_num_attention_heads_wins():
    assert read(attention_head_dim=[2, 4]).down[0].num_heads == 2
    assert read(attention_head_dim=[2, 4]).up[0].num_heads == 4
    assert read(attention_head_dim=64, num_attention_heads=4).down[0].num_heads == 4


def test_the_published_ssd_1b_has_fewer_transformer_blocks_on_the_way_down_than_up():
    config = read_config(
        {
            "block_out_channels": [320, 640, 1280],
            "attention_head_dim": [5, 10, 20],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "transformer_layers_per_block": [0, [2, 2], [4, 4]],
            "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
        }
    )
    assert [level.depths for level in config.down] == [(), (2, 2), (4, 4)]
    assert config.mid is not None and config.mid.depths == (4,)
    assert [level.depths for level in config.up] == [(4, 4, 10), (2, 1, 1), ()]


def test_the_middle_may_be_missing_or_without_attention():
    assert read(mid_block_type=None).mid is None
    mid = read(mid_block_type="UNetMidBlock2D").mid
    assert mid is not None and (mid.num_resnets, mid.depths) == (1, ())


@pytest.mark.parametrize(("value", "expected"), [(None, None), (64, (64, 64)), ([96, 64], (96, 64))])
def test_sample_size(value, expected):
    assert read(sample_size=value).sample_size == expected


def test_reads_a_file_and_a_folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(TINY_LEVELS))
    assert read_config(tmp_path) == read_config(tmp_path / "config.json") == read()


def test_keys_at_their_defaults_and_keys_without_effect_pass():
    unused = {
        "_diffusers_version": "0.42.1",
        "class_embed_type": None,
        "resnet_out_scale_factor": 1.0,
        "upcast_attention": True,
        "some_later_switch": False,
        "some_later_part": None,
        "optimization_step": 250_000,
    }
    assert read(**unused) == read()


REFUSED = {
    "_class_name": ("AutoencoderKL", "_class_name is 'AutoencoderKL'; a U-Net's is 'UNet2DConditionModel'"),
    "center_input_sample": (True, "center_input_sample is True; supported: False"),
    "downsample_padding": (0, "downsample_padding is 0; supported: 1"),
    "mid_block_scale_factor": (1.4, "mid_block_scale_factor is 1.4; supported: 1"),
    "encoder_hid_dim": (1024, "encoder_hid_dim is 1024; supported: None"),
    "encoder_hid_dim_type": ("text_proj", "encoder_hid_dim_type is 'text_proj'; supported: None"),
    "dual_cross_attention": (True, "dual_cross_attention is True; supported: False"),
    "class_embed_type": ("projection", "class_embed_type is 'projection'; supported: None"),
    "num_class_embeds": (1000, "num_class_embeds is 1000; supported: None"),
    "class_embeddings_concat": (True, "class_embeddings_concat is True; supported: False"),
    "resnet_skip_time_act": (True, "resnet_skip_time_act is True; supported: False"),
    "resnet_out_scale_factor": (1.4, "resnet_out_scale_factor is 1.4; supported: 1"),
    "time_embedding_type": ("fourier", "time_embedding_type is 'fourier'; supported: 'positional'"),
    "time_embedding_act_fn": ("silu", "time_embedding_act_fn is 'silu'; supported: None"),
    "timestep_post_act": ("silu", "timestep_post_act is 'silu'; supported: None"),
    "attention_type": ("gated", "attention_type is 'gated'; supported: 'default'"),
    "cross_attention_norm": ("layer_norm", "cross_attention_norm is 'layer_norm'; supported: None"),
    "addition_embed_type": ("text", "addition_embed_type is 'text'; supported: None or 'text_time'"),
    "resnet_time_scale_shift": (
        "ada_group",
        "resnet_time_scale_shift is 'ada_group'; supported: 'default' or 'scale_shift'",
    ),
    "mid_block_type": (
        "UNetMidBlock2DSimpleCrossAttn",
        "mid_block_type is 'UNetMidBlock2DSimpleCrossAttn'; "
        "supported: None or 'UNetMidBlock2D' or 'UNetMidBlock2DCrossAttn'",
    ),
    "down_block_types": (
        ["KDownBlock2D", "DownBlock2D"],
        "down_block_types is 'KDownBlock2D'; supported: 'DownBlock2D' or 'CrossAttnDownBlock2D'",
    ),
    "up_block_types": (
        ["UpBlock2D"],
        "up_block_types is ['UpBlock2D']; needs a list of 2, as block_out_channels has",
    ),
    "act_fn": ("tanh", "act_fn is 'tanh'; supported: 'swish' or 'silu' or 'gelu' or 'mish' or 'relu'"),
    "cross_attention_dim": (
        [768, 1024],
        "cross_attention_dim is [768, 1024]; supported: one number for all levels",
    ),
    "attention_head_dim": ([6, 4], "channels is 32 with 6 heads; must be a multiple of the heads"),
    "norm_num_groups": (24, "channels is 32; must be a multiple of norm_num_groups 24"),
    "in_channels": ("four", "in_channels is 'four'; needs a whole number"),
    "layers_per_block": ([2, 2, 2], "layers_per_block has 3 entries; block_out_channels has 2"),
    "transformer_layers_per_block": (
        [[1, 1], 1],
        "transformer_layers_per_block is [[1, 1], 1] without reverse_transformer_layers_per_block; "
        "nested lists need both",
    ),
    "reverse_transformer_layers_per_block": (
        [1, [1, 2]],
        "reverse_transformer_layers_per_block has [1, 2]; this level has 3 attention layers",
    ),
    "block_out_channels": ([], "block_out_channels is []; needs a list of whole numbers"),
    "dropout": (1.0, "dropout is 1.0; at least 0 and below 1"),
    "conv_in_kernel": (2, "conv_in_kernel is 2; must be odd"),
    "use_linear_projection": ("yes", "use_linear_projection is 'yes'; needs true or false"),
    "norm_eps": ("small", "norm_eps is 'small'; needs a number"),
    "sample_size": ([1, 2, 3], "sample_size is [1, 2, 3]; needs one number or two"),
    "only_cross_attention": (1, "only_cross_attention is 1; needs true or false"),
    "double_self_attention": (
        True,
        "double_self_attention is True, a key unknown here; supported: null, false or ",
    ),
}


@pytest.mark.parametrize("key", REFUSED)
def test_unsupported_configs_are_refused_with_a_message(key):
    value, message = REFUSED[key]
    with pytest.raises(UNetConfigError) as refusal:
        read(**{key: value})
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "transformer_layers_per_block",
            10**9,
            "depths are (1000000000,); at least 0, at most 64 each",
        ),
        ("layers_per_block", 10**9, "layers_per_block is 1000000000; at least 1, at most 64"),
        ("block_out_channels", [32, 2**40], "channels is 1099511627776; at least 1, at most 65536"),
        ("in_channels", 0, "in_channels is 0; at least 1, at most 1048576"),
        ("layers_per_block", True, "layers_per_block is True; needs whole numbers"),
    ],
)
def test_sizes_that_would_never_finish_building_are_refused(key, value, message):
    with pytest.raises(UNetConfigError) as refusal:
        read(**{key: value})
    assert str(refusal.value) == message


def test_text_time_needs_its_sizes():
    with pytest.raises(
        UNetConfigError, match="projection_class_embeddings_input_dim is None; needs a whole number"
    ):
        read(addition_embed_type="text_time", addition_time_embed_dim=256)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "holds a list; needs an object"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UNetConfigError, match=message) as refusal:
        read_config(tmp_path)
    assert str(tmp_path / "config.json") in str(refusal.value)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(UNetConfigError, match="does not exist; a U-Net folder holds a config"):
        read_config(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: {"up": c.up[:1]}, "2 levels down, 1 up; must be equal"),
        (lambda c: {"up": c.up[::-1]}, "32 channels down, 64 up; must be equal"),
        (
            lambda c: {"mid": dataclasses.replace(c.mid, channels=32)},
            "64 channels at the lowest level, 32 in the",
        ),
        (
            lambda c: {"mid": dataclasses.replace(c.mid, num_resnets=3)},
            "the middle has 1 attention layers, 3 res",
        ),
        (
            lambda c: {"down": (dataclasses.replace(c.down[0], depths=(1,)), c.down[1])},
            "1 attention layers; must be 0 or 2, as residual blocks",
        ),
        (
            lambda c: {"down": (dataclasses.replace(c.down[0], num_resnets=1, depths=(1,)), c.down[1])},
            "1 residual blocks down, 3 up; must be one more up",
        ),
    ],
)
def test_the_constructors_message_has_both_numbers(change, message):
    config = read()
    with pytest.raises(UNetConfigError) as refusal:
        dataclasses.replace(config, **change(config))
    assert str(refusal.value).startswith(message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    key=st.sampled_from(sorted({*REFUSED, "flip_sin_to_cos", "freq_shift", "time_cond_proj_dim"})), value=JSON
)
def test_any_json_value_is_understood_or_refused(key, value):
    try:
        read(**{key: value})
    except UNetConfigError:
        pass
