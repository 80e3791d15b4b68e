"""The enlarger begins as an interpolation, learns, is small, and takes any even size."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from limelight.pipeline.enlarging.network import SCALE, SIZES, EnlargerNetwork
from scripts.second.autoencoder.training import build_vae
from scripts.second.enlarger.stage import Pairs, enlarger_stage
from scripts.second.world.arrange import arrange
from scripts.second.world.painter import Painter
from scripts.second.world.sampling import sample_scene
from scripts.second.world.tiles import ARTS
from scripts.training.config import StageConfig

pytestmark = pytest.mark.long


def test_it_begins_as_an_interpolation_and_is_small() -> None:
    net, images = EnlargerNetwork(**SIZES), torch.rand(1, 3, 12, 20) * 2 - 1
    wanted = F.interpolate(images, scale_factor=4.0, mode="bicubic")
    assert torch.equal(net(images), wanted)
    assert 2 * sum(parameter.numel() for parameter in net.parameters()) <= 1.5 * 2**20


def test_a_scene_is_the_same_at_every_scale(world) -> None:
    rng = Random(0)
    mixture = replace(world.mixture, styles=())
    layout = arrange([sample_scene(rng, mixture) for _ in range(6)], world.painter.atlas.extents, rng)
    small, large = (Painter(world.painter.atlas, scale).paint(layout) for scale in (1, SCALE))
    assert large.images.shape == (6, 3, 512, 512)
    for one, other in ((small.images, large.images), (small.things, large.things)):
        difference = (F.avg_pool2d(other, SCALE) - one).abs()
        assert difference.mean() < 0.01
    assert (small.covered - large.covered).abs().max() < 0.05


@pytest.fixture(scope="module")
def pairs(tiny) -> Pairs:
    vae = build_vae(tiny.vae).eval().requires_grad_(False)
    tiles = np.zeros((len(ARTS), 4, 256, 256, 4), np.uint8)
    tiles[:, :, 8:252, 8:252] = (200, 90, 40, 255)
    return Pairs(tiles, replace(tiny.mixture, nouns=4, odd=1.0, worn=0.0), vae, 0, 0.15)


def test_it_learns(pairs, tiny, tmp_path) -> None:
    config = replace(tiny, enlarger=StageConfig(steps=8, batch=2, learning_rate=3e-3, warmup=1))
    stage = enlarger_stage(config, pairs, tmp_path)
    optimizer = torch.optim.AdamW(stage.groups[0][0], lr=3e-3)
    losses = []
    for _ in range(6):
        loss, _ = stage.loss(0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert set(stage.report(0)) == {"psnr", "psnr_bicubic"}
