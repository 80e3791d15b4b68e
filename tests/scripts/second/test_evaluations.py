"""Maps are scored against the right masks, and painted things are looked for where they were painted."""

import torch

from limelight.pipeline import TextToImagePipeline
from limelight.unet import UNet
from limelight.unet.config.read_diffusers import translate
from scripts.second.autoencoder.training import build_vae
from scripts.second.evaluate import resized
from scripts.second.evaluate_painted import draw, marks, paint_of, region, requests
from scripts.second.scoring.judge import Found, Seen
from scripts.second.scoring.truth import KINDS, kind_of, mask_of, record
from scripts.second.training.denoising import unet_config
from scripts.second.training.export import Parts, export
from scripts.second.training.text import TextSide
from scripts.second.world.captions import BACKDROP, Caption
from scripts.second.world.nouns import CORE, NOUN_INDEX, NOUNS
from scripts.second.world.scene import Scene, Thing
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
    assert [noun.word for noun in NOUNS[: len(OLD_NOUNS)]] == [noun.word for noun in OLD_NOUNS]
    images = torch.rand(1, 3, 128, 128) * 2 - 1
    assert torch.equal(resized(images, 128), images)
    soft = resized(resized(images, 64), 128)
    assert soft.shape == images.shape
    assert (soft - images).abs().mean() > 0.1


def test_a_thing_is_looked_for_in_its_quarter(world_folder, tiny) -> None:
    asked = requests(6, 2, CORE)
    assert asked == requests(6, 2, CORE)
    request = asked[0]
    middles = [(32 + 64 * (quarter % 2), 32 + 64 * (quarter // 2)) for quarter in request.quarters]
    nouns = [NOUN_INDEX[thing.noun] for thing in request.scene.things]
    right = [Found(noun, 0, x, y, False) for noun, (x, y) in zip(nouns, middles, strict=True)]
    assert marks(Seen(right, "white", "day", "3d"), request) == [True, True]
    swapped = [Found(noun, 0, x, y, False) for noun, (x, y) in zip(nouns, middles[::-1], strict=True)]
    assert marks(Seen(swapped, "white", "day", "3d"), request) == [False, False]
    assert marks(Seen(right[:1], "white", "day", "3d"), request) == [True, None]
    text = TextSide(tiny.text, world_folder / "tokenizer")
    paint = paint_of(text, asked, 4.0)
    names = text.tokens([each.caption for each in asked]).names
    head = (names[0] == 0).nonzero()[0, 0]
    assert torch.equal(paint[0, :, :, head], 4 * (2 * region(request.quarters[0]) - 1))
    assert paint[0][..., names[0] < 0].abs().max() == 0


def test_paint_changes_what_is_drawn(world_folder, tiny) -> None:
    torch.manual_seed(0)
    text, vae = TextSide(tiny.text, world_folder / "tokenizer"), build_vae(tiny.vae)
    parts = torch.nn.ModuleDict({"unet": UNet(translate(unet_config(tiny))), "encoder": text.encoder})
    asked = requests(2, 2, CORE)
    plain, painted = (draw(parts, vae, text, asked, strength) for strength in (0.0, 6.0))
    assert plain.shape == (2, 3, 128, 128)
    assert (plain - painted).abs().max() > 0
