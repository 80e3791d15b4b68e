"""Caches the keys and values that a U-Net's cross-attention reads of each prompt.

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

MAX_BYTES = 256 * 2**20  # 67 chunks for SD1.5 in float16, 10 for SDXL


class PromptCache:
    """Keys and values of the chunks of prompts, at every cross-attention site.

    The key of a chunk is the hash of its embeddings, together with the changes merged into the U-Net, its
    dtype and its device. The embeddings depend on the token ids, their weights, the text encoders and the
    layer that is read. So a chunk is computed once for all steps, pictures, seeds and rows of guidance, and
    all its rows read one page. The least recently used chunk is evicted. If other code changes weights of the
    U-Net, call `forget`.

    Args:
        max_bytes: size of the pages; calls in flight may exceed it.
    """

    def __init__(self, unet: UNet, *, max_bytes: int = MAX_BYTES) -> None:
        self.pages = PagedContexts(max_bytes=max_bytes)
        self._unet = unet

    def forget(self) -> None:
        """Empties the cache."""
        self.pages.forget()

    def rows(self, conditionings: Sequence[Conditioning]) -> AbstractContextManager[ContextRows]:
        """The keys and values of each row of a U-Net call, valid inside the `with`."""
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
