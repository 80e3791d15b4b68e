"""Stock models of diffusers draw the same with our backends as with their own."""

import pytest
import torch

from limelight.attention.adapters.for_diffusers import AttentionProcessor
from limelight.attention.adapters.log import KernelLog


def unet() -> torch.nn.Module:
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=24,
        attention_head_dim=2,
        norm_num_groups=8,
    ).eval()


@torch.no_grad()
@pytest.mark.parametrize("backend", [None, "math", "tiled"])
@pytest.mark.parametrize("is_masked", [False, True])
def test_a_unet_predicts_the_same(backend: str | None, is_masked: bool) -> None:
    model, log = unet(), KernelLog()
    x, context = torch.randn(2, 4, 8, 8), torch.randn(2, 7, 24)
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3]) if is_masked else None
    expected = model(x, 500, context, encoder_attention_mask=mask).sample
    model.set_attn_processor(AttentionProcessor(backend=backend, log=log))
    out = model(x, 500, context, encoder_attention_mask=mask).sample
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    ran = log.layers(model)
    assert len(ran) == len(model.attn_processors)
    assert {each.backend.name for each in ran.values()} == {backend or "sdpa"}
    masked = {name for name, each in ran.items() if each.spec.mask}
    assert masked == ({name for name in ran if name.endswith("attn2")} if is_masked else set())


@torch.no_grad()
def test_a_vae_decodes_the_same() -> None:
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    ).eval()
    latent = torch.randn(1, 4, 8, 8)
    expected = vae.decode(latent).sample
    vae.set_attn_processor(AttentionProcessor(backend="tiled"))
    torch.testing.assert_close(vae.decode(latent).sample, expected, atol=1e-5, rtol=1e-5)
