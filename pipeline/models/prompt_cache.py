"""What a U-Net's cross-attention reads of each prompt, computed once and kept.

Source: the keys and values of a context depend on neither the picture nor the step; Rombach et al. 2022,
arXiv:2112.10752, equation 7 of section 3.3.
"""

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial

from torch import Tensor

from limelight.attention import ContextRows, KeysValues
from limelight.attention.caches.contexts import Make, PagedContexts
from limelight.pipeline.text.encoder import Conditioning
from limelight.unet import UNet

MAX_BYTES = 256 * 2**20  # of SD1.5 in float16 67 chunks, of SDXL 10


class PromptCache:
    """Keys and values of the chunks of prompts, at every cross-attention site.

    A chunk is known by its content: by the hash of what the text encoders made of it, which depends on its
    token ids, their weights, the encoders and the layer taken of them, and by what is merged into the U-Net,
    its dtype and its device. So a chunk is computed once for all steps, pictures, seeds and rows of guidance,
    and rows that have it read the same page; the one used longest ago makes room. If weights of the U-Net are
    changed by hand, call `forget`.

    Args:
        max_bytes: size of the pages; what calls in flight read is there whatever it takes.
    """

    def __init__(self, unet: UNet, *, max_bytes: int = MAX_BYTES) -> None:
        self.pages = PagedContexts(max_bytes=max_bytes)
        self._unet = unet

    def forget(self) -> None:
        """Empties the cache."""
        self.pages.forget()

    def rows(self, conditionings: Sequence[Conditioning]) -> AbstractContextManager[ContextRows]:
        """What each row of a U-Net call reads, until the end of the `with`."""
        return self.pages.rows([self._chunks(conditioning) for conditioning in conditionings])

    def _chunks(self, conditioning: Conditioning) -> list[tuple[Hashable, Make]]:
        unet, keys = self._unet, conditioning.keys
        chunks = conditioning.context.split(len(conditioning.context) // len(keys))
        return [
            ((content, unet.merged.state, unet.dtype, unet.device), partial(self._make, chunk))
            for content, chunk in zip(keys, chunks, strict=True)
        ]

    def _make(self, chunk: Tensor) -> Mapping[str, KeysValues]:
        return self._unet.keys_values(chunk[None].to(self._unet.dtype))
