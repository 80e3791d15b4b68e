"""A sampling loop of your own around the U-Net: DDIM with classifier-free guidance, in the paper's symbols.

Source: Song et al. 2021, arXiv:2010.02502, equation 12 with sigma = 0; Ho & Salimans, arXiv:2207.12598.
"""

import sys
from itertools import pairwise
from pathlib import Path

import torch

from limelight import TextToImagePipeline
from limelight.attention import AttentionOrder, AttentionRuntime, plan
from limelight.pipeline.latents.vae import decode

NUM_STEPS, GUIDANCE_SCALE, SEED = 4, 3.0, 7

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs")
folder.mkdir(parents=True, exist_ok=True)
model = TextToImagePipeline.from_pretrained("default", device="cpu").model
unet = model.unet

# The backend of every attention site, chosen before the first step.
shape = model.latent_shape(*model.native_size)  # c h w
specs = unet.attention_specs(*shape[1:], model.text.length, batch=2)
choices = plan(specs, {site.name: site.kind for site in unet.sites}, AttentionOrder.parse("sdpa"))
attention = AttentionRuntime({site: choice.backend for site, choice in choices.items()})

negative, prompt = model.text.negative(""), model.text.prompt("a red apple on a blue background")
context = torch.stack([negative.context, prompt.context])  # b m c
alpha_bar = model.schedulers.make("ddim").alphas_cumprod
timesteps = torch.linspace(999, 0, NUM_STEPS + 1).long()

with torch.inference_mode():
    x = torch.randn((1, *shape), generator=torch.Generator("cpu").manual_seed(SEED))
    for t, t_next in pairwise(timesteps):
        v = unet(x.expand(2, -1, -1, -1), t.expand(2), context, attention=attention)
        v = v[:1] + GUIDANCE_SCALE * (v[1:] - v[:1])
        alpha, sigma = alpha_bar[t].sqrt(), (1 - alpha_bar[t]).sqrt()
        denoised, eps = alpha * x - sigma * v, sigma * x + alpha * v  # this model predicts v
        x = alpha_bar[t_next].sqrt() * denoised + (1 - alpha_bar[t_next]).sqrt() * eps
        print(f"t = {int(t):3d}: sigma {sigma:.3f}")
    picture = decode(model.vae, x)
picture.save(folder / "own-loop.png")
print(folder / "own-loop.png")
