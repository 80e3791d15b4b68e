"""Maps are scored against the right masks, and both editions are asked for what both know."""

from random import Random

import torch

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.unet import UNet
from limelight.unet.config.read_diffusers import translate
from scripts.second.autoencoder.training import build_vae
from scripts.second.evaluate import FIRST_NOUNS, Likeness, common, resized
from scripts.second.scoring import kept
from scripts.second.scoring.drawing import num_nouns
from scripts.second.scoring.judge import Judge
from scripts.second.scoring.statistics import nearest
from scripts.second.scoring.tasks import TASKS
from scripts.second.scoring.truth import KINDS, caption_of, kind_of, mask_of, record
from scripts.second.sweep import WAYS, fields_of_way
from scripts.second.training.denoising import unet_config
from scripts.second.training.export import Parts, export
from scripts.second.training.text import TextSide
from scripts.second.world.captions import BACKDROP, MOST_THINGS, Caption
from scripts.second.world.nouns import CORE, NOUNS
from scripts.second.world.scene import Scene, Thing
from scripts.training.tools import checkpoint
from scripts.world.vocabulary import NOUNS as OLD_NOUNS


def test_words_have_the_right_kind() -> None:
    words = ("a", "golden", "red", "fox", "on", "the", "sand", "on", "the", "beach")
    caption = Caption(words, (-1, 0, 0, 0, -1, -1, 5, -1, -1, BACKDROP), (3,))
    kinds = [kind_of(caption, index) for index in range(len(words))]
    assert kinds == [None, "material", "colour", "noun", None, None, "stuff", None, None, "ground"]
    assert {kind for kind in kinds if kind} == set(KINDS)


def test_maps_have_the_masks_of_their_words(world, world_folder, tiny, tmp_path) -> None:
    torch.manual_seed(0)
    text, vae = TextSide(tiny.text, world_folder / "tokenizer"), build_vae(tiny.vae)
    vae.register_to_config(scaling_factor=1.0)
    unet = UNet(translate(unet_config(tiny)))
    parts = Parts(unet.state_dict(), text.encoder.state_dict(), vae)
    export(tiny, parts, world_folder / "tokenizer", tmp_path / "model", CORE)
    model = TextToImagePipeline.from_pretrained(str(tmp_path / "model"), device="cpu").model
    assert num_nouns(model) == CORE
    things = (Thing(noun="cat", colour="blue"), Thing(noun="star"))
    scenes = [Scene(things=things, place=place) for place in ("beach", None, "meadow")]
    recorded = record(model, world, world_folder / "tokenizer", scenes, [300], 0, rows=2)
    assert {truth.kind for truth in recorded.truths} >= {"noun", "colour", "ground"}
    assert len(recorded.maps) == len(recorded.end) == len(recorded.truths)
    nouns = [truth for truth in recorded.truths if truth.kind == "noun" and truth.scene == 0]
    colour = next(truth for truth in recorded.truths if truth.kind == "colour" and truth.scene == 0)
    assert torch.equal(nouns[0].mask, colour.mask)
    assert torch.equal(nouns[0].other, nouns[1].mask)
    assert (recorded.maps.amax((1, 2, 3, 4)) > 0).all()


def test_masks_of_stuff_and_ground_leave_the_things_out(world) -> None:
    batch = world.batch(11, 4)
    for row in range(4):
        ground, thing = mask_of(batch, row, BACKDROP), mask_of(batch, row, 0)
        assert not (ground & thing).any()
        assert ground.any() and thing.any()


def test_both_editions_know_the_first_nouns() -> None:
    """`evaluate --common` asks both for the same things."""
    assert [noun.word for noun in NOUNS[:FIRST_NOUNS]] == [noun.word for noun in OLD_NOUNS]
    counting = common(next(task for task in TASKS if task.name == "counting"))
    assert {scene.things[0].count for scene in counting.scenes(40, FIRST_NOUNS)} == {2, 3, 4}
    images = torch.rand(1, 3, 128, 128) * 2 - 1
    assert torch.equal(resized(images, 128), images)
    soft = resized(images, 64)
    assert soft.shape == images.shape
    assert (soft - images).abs().mean() > 0.1


def test_captions_can_be_made_to_name_a_layer() -> None:
    rng, scene = Random(0), Scene(things=(Thing(noun="cat"),), place="beach")
    captions = [caption_of(scene, rng, names_stuff=True) for _ in range(5)]
    assert all(any(MOST_THINGS <= name < BACKDROP for name in caption.names) for caption in captions)


def test_pictures_are_compared_with_renders(world) -> None:
    """Copies of training renders are found, and renders are as far from renders as other renders are."""
    likeness, scenes = Likeness(Judge(8).eval(), world), world.batch(5, 6).scenes
    likeness.add(scenes, world.compose(scenes, Random(30_000)).images)
    drawn, fresh, _ = likeness.features
    assert torch.allclose(drawn[0], fresh[0], atol=1e-4)
    assert "of 6 pictures" in likeness.text(64)
    images = world.batch(7, 4).images
    assert nearest(images, [world.batch(8, 4).images, images]) < 0.01


def test_a_kept_judge_sees_what_the_trained_one_sees(tmp_path, monkeypatch) -> None:
    torch.manual_seed(0)
    judge = Judge()
    checkpoint.save(
        {"step": 1, "optimizers": None, "modules": {"judge": judge.state_dict()}}, tmp_path / "judge.pt"
    )
    images = torch.rand(2, 3, 128, 128) * 2 - 1
    monkeypatch.setattr(kept, "KEPT", tmp_path / "judge.safetensors")
    kept.keep_judge(tmp_path, kept.KEPT)
    one, other = (kept.load_judge(run)(images).features for run in (tmp_path, None))
    assert 0 < (one - other).abs().max() < 0.05 * one.abs().max()


def test_a_way_is_the_fields_of_a_request() -> None:
    fields = fields_of_way("dpm++2m:8:3:0.15-0.75")
    assert GenerationRequest(prompt="a cat", **fields).guidance_end == 0.75
    assert fields_of_way("model:20") == {"scheduler": "model", "num_steps": 20}
    assert all(GenerationRequest(prompt="a cat", **fields_of_way(way)) for way in WAYS)
