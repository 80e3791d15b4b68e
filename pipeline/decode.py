"""From latents to pictures."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pipeline.errors import NonFinitePicture


@torch.inference_mode()
def decode(vae: Any, latent: Float[Tensor, "1 c h w"]) -> Image.Image:
    """The picture of a latent; decoded alone, so that its pixels do not depend on its neighbours.

    Raises:
        NonFinitePicture: the VAE overflowed.
    """
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    z = latent / vae.config.scaling_factor + shift
    pixels = vae.decode(z.to(vae.dtype), return_dict=False)[0][0].float()  # 3 h w, -1 to 1
    if not pixels.isfinite().all():
        raise NonFinitePicture(
            f"the VAE returned NaN or infinity in {str(vae.dtype).removeprefix('torch.')}; "
            "nothing was saved (load the model in float32)"
        )
    values = (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray((values * 255).round().astype(np.uint8))
