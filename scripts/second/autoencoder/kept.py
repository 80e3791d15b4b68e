"""The finished autoencoder, stored next to this file so that no other machine must train it again.

`python -m scripts.second.train keep-vae` stores it, as the file that the folder of the model will have.
"""

from pathlib import Path

from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from scripts.second.training.config import VaeConfig
from scripts.second.training.packed import shortened

KEPT = Path(__file__).with_name("autoencoder.safetensors")


def kept_weights(config: VaeConfig) -> dict[str, Tensor] | None:
    """The stored weights in float32, with normalised latents; None if there are none of this size."""
    if not KEPT.exists():
        return None
    weights = {name: tensor.float() for name, tensor in load_file(KEPT).items()}
    size = len(weights["encoder.conv_in.weight"]), len(weights["post_quant_conv.weight"])
    return weights if size == (config.channels[0], config.latent_channels) else None


def keep(vae: AutoencoderKL) -> None:
    """Stores an autoencoder with normalised latents as `export` does: in shortened float16."""
    weights = {name: shortened(tensor.half()) for name, tensor in vae.state_dict().items()}
    save_file(weights, KEPT, metadata={"format": "pt"})
