"""The best maps that a model's folder names, and their use."""

import json

import pytest
import torch

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.best_maps import ALL, FINEST, BestMaps
from limelight.unet.sites import Site

SITES = (
    Site(name="up.attn2", kind="cross", num_heads=4, head_dim=8, factor=2),
    Site(name="up.attn1", kind="self", num_heads=4, head_dim=8, factor=2),
)


def test_it_is_read_as_it_was_written(tmp_path):
    best = BestMaps(heads={"up.attn2": (0, 3)}, finest=True, last=0.25, scores={"iou": 0.8})
    assert BestMaps.read(tmp_path, SITES) is None
    best.write(tmp_path)
    assert BestMaps.read(tmp_path, SITES) == best


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"heads": {"up.attn2": [4]}, "last": 1}, "names head 4 of up.attn2"),
        ({"heads": {"up.attn1": [0]}, "last": 1}, "names head 0 of up.attn1"),
        ({"heads": {"nope": [0]}, "last": 1}, "names head 0 of nope"),
        ({"heads": {"up.attn2": [0]}, "last": 0}, "has last 0.0"),
        ({"heads": {"up.attn2": []}, "last": 1}, "needs 0 < last <= 1, and heads"),
        ({"heads": {}}, "does not say which maps are best: KeyError('last')"),
        ({"heads": 7, "last": 1}, "does not say which maps are best"),
        ([], "does not say which maps are best"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_a_message(tmp_path, stored, message):
    (tmp_path / "maps.json").write_text(json.dumps(stored))
    with pytest.raises(ModelError) as error:
        BestMaps.read(tmp_path, SITES)
    assert message in str(error.value)


@pytest.fixture(scope="module")
def pipe():
    return TextToImagePipeline.from_pretrained("default", device="cpu")


def test_the_default_model_names_the_best_maps(pipe):
    best = pipe.model.best_maps
    assert best.scores["iou"] >= 0.82
    assert best.scores["pointing"] >= 0.995
    assert best.heads


@pytest.mark.parametrize("level", ["grid", "head"])
def test_a_words_map_is_the_mean_of_the_best_heads(pipe, level):
    """At every level: recording keeps what the default needs."""
    fields = {"seed": 3, "num_steps": 4, "record_extras": ("steps",)}
    maps = pipe("a red apple", record=level, **fields).maps
    best = pipe.model.best_maps
    whole = maps if level == "head" else pipe("a red apple", record="head", **fields).maps
    last = [3] if best.last == 0.25 else range(4 - max(1, round(best.last * 4)), 4)
    heads = [
        torch.stack([whole.recording.site_steps[step][site][head].float() for step in last]).mean(0)
        for site, each in best.heads.items()
        for head in each
    ]
    torch.testing.assert_close(maps.probabilities(), torch.stack(heads).mean(0), atol=1e-3, rtol=0)
    assert (maps.probabilities().sum(0) - 1).abs().max() < 1e-3
    assert not torch.equal(maps.all().word("apple"), maps.word("apple"))
    torch.testing.assert_close(maps.all().word("apple"), whole.all().word("apple"))
    said = f"the mean of {len(heads)} heads of the 16x16 sites over the last {len(last)} of 4 predictions"
    assert maps.selection.in_words() == said


def test_words_that_are_not_in_the_prompt_are_read_from_the_same_heads(pipe):
    maps = pipe("a red apple", seed=3, num_steps=4, record="grid", record_queries=(3,)).maps
    word, query = maps.word("apple"), maps.query("apple")
    assert query.shape == pipe.model.native_size
    assert word.flatten()[query.argmax()] > 0.5 * word.max()  # both point at the apple


def test_other_models_take_the_best_maps_of_their_family(pipe, sd_folder):
    other = TextToImagePipeline.from_pretrained(sd_folder, device="cpu").model
    assert other.best_maps == (FINEST if other.family.finest_maps else ALL)


def test_maps_are_drawn_as_pictures(pipe):
    maps = pipe("a red apple", seed=3, num_steps=2, record="grid").maps
    shared, own = maps.overlay("red"), maps.overlay("red", scale="own")
    assert shared.size == (256, 256)
    assert shared.tobytes() != own.tobytes()
    assert maps.sheet().width > maps.sheet().height
    height, width = pipe.model.native_size
    assert repr(maps) == f"HeatMaps('a red apple', {width}x{height}, 2 predictions)"
