"""Training with paint steers attention as requests do."""

from pathlib import Path

import numpy as np
import pytest
import torch

from limelight.attention import AttentionRuntime, get
from limelight.attention.steering import Bias, KeyGroup, Steering
from limelight.unet import UNet
from scripts.steering.painted_attention import PaintedAttention
from scripts.steering.train_painted import SIDE, Shares, painted_stage, sketched, steer_some
from scripts.steering.wishes import QUARTERS
from scripts.training import loop
from scripts.training.config import SHIPPED, StageConfig
from scripts.training.data import World
from scripts.training.text import TextSide
from scripts.world.composer import PIXELS, SIZES


@pytest.fixture(scope="module")
def text(first_edition: Path) -> TextSide:
    return TextSide(SHIPPED, first_edition / "tokenizer")


@pytest.fixture(scope="module")
def unet(first_edition: Path) -> UNet:
    return UNet.from_pretrained(first_edition / "unet")


def test_things_lie_whole_in_their_quarters(world: World) -> None:
    scenes, captions, layout, quarters = sketched(40, world.mixture, np.random.default_rng(0))
    assert 2 <= sum(pair is None for pair in quarters) <= 20
    for row, pair in enumerate(quarters):
        if pair is None:
            continue
        assert len(scenes[row].things) == 2 and pair[0] != pair[1] and captions[row]
        for slot, quarter in enumerate(pair):
            left, top, right, bottom = (PIXELS * edge for edge in QUARTERS[quarter])
            side = SIZES[layout.size[row, slot]]
            assert left <= layout.x[row, slot] <= right - side
            assert top <= layout.y[row, slot] <= bottom - side


def test_paint_reaches_the_tokens_of_each_noun_in_its_quarter_and_no_more(
    world: World, text: TextSide
) -> None:
    rng = np.random.default_rng(1)
    shares = Shares(usual=0.0, painted=1.0, regions=0.0)
    scenes, captions, _, quarters = sketched(6, world.mixture, rng, shares)
    given = steer_some(scenes, captions, quarters, text, rng, shares)
    ids = text.ids(captions)
    for row, pair in enumerate(quarters):
        nouns = text.nouns.find(ids[row].tolist())
        assert pair is not None and len(nouns) == 2
        painted = {i for span, _ in nouns for i in range(*span.indices(ids.shape[1]))}
        assert set(given.paint[row].abs().amax((1, 2)).nonzero().flatten().tolist()) == painted
        for (span, _), quarter in zip(nouns, pair, strict=True):
            left, top, *_ = (int(SIDE * edge) for edge in QUARTERS[quarter])
            word = given.paint[row, span.start]
            assert 2 <= word[top, left] <= 6 and (word > 0).float().mean() == 0.25
            assert word.min() == -word[top, left]
    assert (given.shares[:, 0] == 1).all()


def test_regions_have_prompts_of_their_own_and_shares_that_add_up(world: World, text: TextSide) -> None:
    rng = np.random.default_rng(1)
    shares = Shares(usual=0.0, painted=0.0, regions=1.0)
    scenes, captions, _, quarters = sketched(6, world.mixture, rng, shares)
    given = steer_some(scenes, captions, quarters, text, rng, shares)
    torch.testing.assert_close(given.shares.sum(1), torch.ones(6, SIDE, SIDE))
    assert given.shares[:, 0].min() >= 0.2 - 1e-6 and given.paint.abs().max() == 0
    for scene, prompts in zip(scenes, given.prompts, strict=True):
        for thing, prompt in zip(scene.things, prompts, strict=True):
            assert prompt.split()[0] in ("a", "an") and prompt.endswith(thing.noun)


def test_a_dropped_caption_has_no_paint(world: World, text: TextSide) -> None:
    rng = np.random.default_rng(1)
    shares = Shares(usual=0.0, painted=0.5, regions=0.5)
    scenes, _, _, quarters = sketched(6, world.mixture, rng, shares)
    given = steer_some(scenes, [""] * 6, quarters, text, rng, shares)
    assert given.paint.abs().max() == 0 and (given.shares[:, 0] == 1).all()


@torch.inference_mode()
def test_training_and_requests_steer_alike(unet: UNet, text: TextSide) -> None:
    """A painted row and one with regions, by the training's attention and by a request's steering."""
    random = torch.Generator().manual_seed(0)
    x, own, first, second = (
        torch.randn(2, *shape, generator=random)
        for shape in ((4, SIDE, SIDE), *[(text.tokenizer.model_max_length, 256)] * 3)
    )
    paint = torch.zeros(2, own.shape[1], SIDE, SIDE)
    paint[0, 3, :8, :8], paint[0, 3, 8:] = 3.0, -3.0
    shares = torch.zeros(2, 3, SIDE, SIDE)
    shares[0, 0] = 1
    shares[1] = torch.rand(3, SIDE, SIDE, generator=random)
    attention = PaintedAttention({}, paint=paint, shares=shares)
    timesteps = torch.tensor([300.0, 300.0])
    trained = unet(x, timesteps, torch.cat((own, first, second), 1), attention=attention)

    def at(map: torch.Tensor):
        return lambda grid: torch.nn.functional.adaptive_avg_pool2d(map[None], grid).flatten()

    made = [unet.keys_values(each[1:]) for each in (first, second)]
    strength = torch.zeros(own.shape[1], 1)
    strength[3] = 1
    steering = [
        Steering(bias=Bias(lambda grid: at(paint[0, 3])(grid)[:, None], strength)),
        Steering(
            weight=at(shares[1, 0]),
            groups=[KeyGroup(kv.__getitem__, at(shares[1, i + 1])) for i, kv in enumerate(made)],
        ),
    ]
    plan = {site.name: get("math") for site in unet.sites}
    drawn = unet(x, timesteps, own, attention=AttentionRuntime(plan, steering=steering))
    assert (drawn - trained).abs().max() <= 1e-4


def test_a_run_learns_and_goes_on_where_it_stopped(world: World, first_edition: Path, tmp_path: Path) -> None:
    unet = UNet.from_pretrained(first_edition / "unet").train()
    before = unet.conv_in.weight.detach().clone()
    for steps in (1, 2):
        config = StageConfig(steps=steps, batch=2, learning_rate=2e-4, warmup=1)
        stage = painted_stage(config, world, first_edition, unet)
        loop.run(stage, tmp_path, log_every=1, save_every=1, report_every=10**9)
    assert not torch.equal(unet.conv_in.weight, before)
    assert all(parameter.isfinite().all() for parameter in unet.parameters())
    assert (tmp_path / "painted.jsonl").read_text().count("loss") == 2
