"""Captions describe their scenes, held-out combinations do not leak, and things stand where the scene
says."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch

from scripts.second.training.data import Batch
from scripts.second.training.grounding import masks
from scripts.second.training.text import TextSide
from scripts.second.world.captions import BACKDROP, MOST_THINGS, NOTHING, describe, every_word
from scripts.second.world.layout import PIXELS
from scripts.second.world.nouns import CORE, NOUN_INDEX, NOUNS
from scripts.second.world.phrases import SYNONYMS
from scripts.second.world.places import PLACES
from scripts.second.world.sampling import Mixture, sample_scene
from scripts.second.world.scene import Scene, Thing, is_held_out
from scripts.second.world.vocabulary import STYLES, pair_is_held_out, place_is_held_out

ALL = Mixture(
    nouns=len(NOUNS),
    weather=0.3,
    material=0.2,
    posed=0.3,
    three=0.2,
    styles=tuple((style, 0.15) for style in STYLES[1:]),
)


def centre(mask: torch.Tensor) -> tuple[float, float]:
    """(x, y) of a mask's middle, in pixels."""
    grid = torch.arange(PIXELS) + 0.5
    return (mask.sum(0) @ grid / mask.sum()).item(), (mask.sum(1) @ grid / mask.sum()).item()


def compose(world, scene: Scene, seed: int) -> Batch:
    return world.compose([scene], Random(seed))


def of_thing(batch: Batch, number: int) -> torch.Tensor:
    return batch.pictures.things[0][batch.layout.owner[0] == number].sum(0)


def test_a_caption_says_the_noun_the_colour_and_the_number_of_each_thing() -> None:
    rng, known = Random(0), set(every_word())
    for _ in range(2000):
        scene = sample_scene(rng, ALL)
        caption = describe(scene, rng)
        assert set(caption.words) <= known
        for number, (thing, head) in enumerate(zip(scene.things, caption.heads, strict=True)):
            noun = NOUNS[NOUN_INDEX[thing.noun]]
            forms = (noun.word, noun.plural, *SYNONYMS.get(thing.noun, ()))
            assert caption.words[head] in {form.split()[-1] for form in forms}, caption.text
            said = {w for w, name in zip(caption.words, caption.names, strict=True) if name == number}
            assert thing.colour is None or thing.colour in said, caption.text
            assert thing.count == 1 or {"two", "three", "four", "five"} & said, caption.text


def test_tokens_are_those_of_the_tokenizer_and_know_what_they_name(world_folder, tiny) -> None:
    text, rng = TextSide(tiny.text, world_folder / "tokenizer"), Random(1)
    captions = [describe(sample_scene(rng, ALL), rng) for _ in range(500)]
    tokens = text.tokens(captions)
    assert torch.equal(tokens.ids, text.ids([caption.text for caption in captions]))
    for row, caption in enumerate(captions):
        named = [n for word, n in zip(caption.words, caption.names, strict=True) for _ in text.pieces(word)]
        assert tokens.names[row, 1 : len(named) + 1].tolist() == named
        assert (tokens.names[row, len(named) + 1 :] == NOTHING).all()
        assert tokens.ends[row] == len(named) + 1


@pytest.mark.parametrize("held_out", [False, True])
def test_held_out_scenes_never_leak(held_out: bool) -> None:
    rng = Random(2)
    scenes = [sample_scene(rng, replace(ALL, held_out=held_out)) for _ in range(500)]
    assert {is_held_out(scene) for scene in scenes} == {held_out}


def test_a_tenth_of_pairs_and_of_places_is_held_out() -> None:
    words = [noun.word for noun in NOUNS[:CORE]]
    pairs = [pair_is_held_out(a, b) for i, a in enumerate(words) for b in words[:i]]
    places = [place_is_held_out(word, place.word) for word in words for place in PLACES]
    assert 0.08 < np.mean(pairs) < 0.12
    assert 0.08 < np.mean(places) < 0.12


@pytest.mark.parametrize(
    ("relation", "sign"), [("left", (-1, 0)), ("right", (1, 0)), ("above", (0, -1)), ("below", (0, 1))]
)
@pytest.mark.parametrize("place", [None, "meadow", "sea"])
def test_things_stand_where_the_relation_says(world, relation: str, sign, place: str | None) -> None:
    scene = Scene(things=(Thing(noun="apple"), Thing(noun="car")), relation=relation, place=place)
    for seed in range(8):
        batch = compose(world, scene, seed)
        (x, y), (other_x, other_y) = centre(of_thing(batch, 0)), centre(of_thing(batch, 1))
        assert sign[0] * (x - other_x) + sign[1] * (y - other_y) > 18


@pytest.mark.parametrize("relation", ["front", "behind"])
def test_the_thing_in_front_covers_a_part_of_the_one_behind(world, relation: str) -> None:
    scene = Scene(things=(Thing(noun="cat"), Thing(noun="house")), relation=relation)
    near = 0 if relation == "front" else 1
    for seed in range(8):
        batch = compose(world, scene, seed)
        covered = {
            owner: share.item()
            for owner, share in zip(batch.layout.owner[0].tolist(), batch.pictures.covered[0], strict=True)
        }
        assert covered[near] == pytest.approx(0, abs=1e-3)
        assert 0.03 < covered[1 - near] < 0.6


def test_a_thing_on_another_touches_it(world) -> None:
    scene = Scene(things=(Thing(noun="cake"), Thing(noun="drum")), relation="on")
    for seed in range(8):
        batch = compose(world, scene, seed)
        upper, lower = (of_thing(batch, number) > 0.5 for number in (0, 1))
        lowest, highest = upper.any(1).nonzero().max().item(), lower.any(1).nonzero().min().item()
        assert -4 <= highest - lowest <= 4


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_as_many_things_as_counted(world, count: int) -> None:
    scene = Scene(things=(Thing(noun="star", count=count),), ground="black")
    for seed in range(4):
        batch = compose(world, scene, seed)
        assert (batch.pictures.things[0].sum((1, 2)) > 100).sum() == count


def test_things_stand_anywhere(world) -> None:
    scene = Scene(things=(Thing(noun="apple"),))
    places = torch.tensor([centre(of_thing(compose(world, scene, seed), 0)) for seed in range(60)])
    low, high = places.quantile(0.1, dim=0), places.quantile(0.9, dim=0)
    assert ((high - low) > torch.tensor([50.0, 18.0])).all()


def test_masks_share_a_picture_among_what_can_be_named(world) -> None:
    batch = world.batch(3, 8)
    found = masks(batch)
    assert found.shape == (8, BACKDROP + 1, 16, 16)
    total = found[:, :MOST_THINGS].sum(1) + found[:, BACKDROP]
    assert (total - 1).abs().max() < 0.02
    hills = compose(world, Scene(things=(Thing(noun="cat"),), place="meadow"), 0)
    layers = masks(hills)[0, MOST_THINGS:BACKDROP]
    assert torch.equal(layers[1], layers[2])  # both layers of hills have the one word
    assert layers[0, 0].mean() > 0.5  # the sky is above
    assert layers[3, -1].mean() > 0.5  # the grass is below


def test_a_batch_is_a_function_of_its_number(world) -> None:
    one, again, other = (world.batch(step, 4) for step in (5, 5, 6))
    assert one.scenes == again.scenes
    assert torch.equal(one.images, again.images)
    assert one.scenes != other.scenes


def test_a_picture_does_not_depend_on_its_company(world) -> None:
    batch = world.batch(7, 6)
    alone = world.painter.paint(batch.layout[2:3])
    assert torch.equal(alone.images[0], batch.pictures.images[2])


def test_colours_and_materials_are_seen(world) -> None:
    plain, blue, gold = (
        compose(world, Scene(things=(Thing(noun="car", **look),)), 4)
        for look in ({}, {"colour": "blue"}, {"material": "golden"})
    )
    inside = of_thing(plain, 0) > 0.9
    means = [batch.pictures.images[0][:, inside].mean(1) for batch in (blue, gold)]
    assert means[0].argmax() == 2
    assert means[1][0] > means[1][1] > means[1][2] + 0.2


def test_every_style_changes_the_picture(world) -> None:
    scene = Scene(things=(Thing(noun="cat"),), place="beach")
    pictures = [compose(world, replace(scene, style=style), 5).pictures.images for style in STYLES]
    for style, picture in zip(STYLES[2:], pictures[2:], strict=True):
        assert (picture - pictures[0]).abs().mean() > 0.01, style


def test_nearer_is_lower_and_larger(world) -> None:
    scene = Scene(things=(Thing(noun="apple"), Thing(noun="lemon")), place="meadow")
    bases, sides = [], []
    for seed in range(40):
        layout = compose(world, scene, seed).layout
        bases.append((layout.y + layout.side / 2)[0, :2])
        sides.append(layout.side[0, :2])
    assert torch.corrcoef(torch.stack([torch.cat(bases), torch.cat(sides)]))[0, 1] > 0.3
