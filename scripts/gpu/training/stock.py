"""A ring buffer of latents on the device; new scenes replace the oldest."""

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from scripts.gpu.training.sketches import Sketch, layout_of
from scripts.second.training import alignment
from scripts.second.training.grounding import masks_of, same_words
from scripts.second.training.pool import Chunk
from scripts.second.world.painter import Painter, Pictures
from scripts.second.world.places import PLACES
from scripts.training.tools.precision import mixed


class Stock:
    """Holds up to `size` scenes as the denoiser sees them."""

    def __init__(self, painter: Painter, vae: AutoencoderKL, size: int, device: str):
        self.painter, self.vae, self.size, self.device = painter, vae, size, device
        self.values: Chunk = {}
        self.count, self.next = 0, 0
        places = [None, *(place.word for place in PLACES)]  # index -1 is a plain ground, which comes first
        self.alike = torch.stack([same_words(place) for place in places]).to(device)

    @torch.no_grad()
    def add(self, sketch: Sketch) -> int:
        """Paints and encodes scenes, replaces the oldest with them, and returns their number."""
        layout = layout_of(sketch, self.device)
        pictures = self.painter.paint(layout)
        rows = {name: torch.from_numpy(x).to(self.device) for name, x in sketch.items() if "." not in name}
        places = rows.pop("places")
        with mixed(torch.device(self.device).type):
            images = (pictures.images * 2 - 1).contiguous(memory_format=torch.channels_last)
            rows["latents"] = self.vae.encode(images).latent_dist.mean.float()
        rows["masks"] = masks_of(pictures, layout.owner, self.alike[places + 1])
        known = alignment.oracle_of(layout, pictures, places)
        rows |= {f"oracle_{name}": values for name, values in vars(known).items()}
        return self._keep({name: _narrow(name, values) for name, values in rows.items()})

    def _keep(self, rows: Chunk) -> int:
        count = len(rows["latents"])
        if not self.values:
            self.values = {
                name: torch.zeros((self.size, *values.shape[1:]), dtype=values.dtype, device=self.device)
                for name, values in rows.items()
            }
        index = (torch.arange(count, device=self.device) + self.next) % self.size
        for name, values in rows.items():
            self.values[name][index] = values
        self.next = (self.next + count) % self.size
        self.count = min(self.size, self.count + count)
        return count

    def draw(self, batch: int, generator: torch.Generator) -> Chunk:
        """A training batch."""
        picks = torch.randint(self.count, (batch,), generator=generator, device=self.device)
        return {name: _wide(values[picks]) for name, values in self.values.items()}


def _narrow(name: str, values: Tensor) -> Tensor:
    """Halves the memory: indices become int16, shares float16."""
    if values.is_floating_point():
        return values if name == "latents" else values.half()
    return values.to(torch.int16)


def _wide(values: Tensor) -> Tensor:
    return values.float() if values.is_floating_point() else values.long()


def images_of(pictures: Pictures) -> Tensor:
    """The pictures in -1..1, as the autoencoder expects them."""
    return (pictures.images * 2 - 1).contiguous(memory_format=torch.channels_last)
