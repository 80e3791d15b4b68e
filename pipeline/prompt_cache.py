"""What a U-Net's cross-attention reads of each prompt, computed once and kept.

Source: the keys and values of a context depend on neither the picture nor the step; Rombach et al. 2022,
arXiv:2112.10752, equation 7 of section 3.3.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from threading import Lock

import torch
from torch import Tensor

from attention import ContextRows, KeysValues, RowGroup
from pipeline.adapters import Adapters
from pipeline.text import Conditioning
from unet import UNet

MAX_BYTES = 256 * 2**20  # of SD1.5 in float16 67 chunks, of SDXL 10


class PromptCache:
    """Keys and values of the chunks of prompts, at every cross-attention site.

    A chunk is known by its content: by the hash of what the text encoders made of it, which depends on its
    token ids, their weights, the encoders and the layer taken of them, beside the LoRAs in use, the dtype and
    the device. So a chunk is computed once for all steps, pictures, seeds and rows of guidance; which was
    used longest ago makes room. Weights of the U-Net that are changed by hand ask for `forget`.

    Args:
        max_bytes: how much to keep; what one call needs is there during the call, whatever that takes.
    """

    def __init__(self, unet: UNet, adapters: Adapters, *, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._unet = unet
        self._adapters = adapters
        self._kept: OrderedDict[tuple[object, ...], dict[str, KeysValues]] = OrderedDict()
        self._num_bytes = 0
        self._lock = Lock()  # engines in several threads may share a model

    @property
    def num_bytes(self) -> int:
        """How much is kept now."""
        return self._num_bytes

    def forget(self) -> None:
        """Empties the cache."""
        with self._lock:
            self._kept.clear()
            self._num_bytes = 0

    @torch.inference_mode()
    def rows(self, conditionings: Sequence[Conditioning]) -> ContextRows:
        """What each row of a U-Net call reads."""
        chunks = [self._chunks(conditioning) for conditioning in conditionings]
        lengths = [len(conditioning.context) for conditioning in conditionings]
        groups = []
        for length in dict.fromkeys(lengths):
            rows = [row for row, each in enumerate(lengths) if each == length]
            at = partial(_together, [chunks[row] for row in rows])
            is_all = len(rows) == len(lengths)
            groups.append(RowGroup(at, None if is_all else torch.tensor(rows, device=self._unet.device)))
        return tuple(groups)

    def _chunks(self, conditioning: Conditioning) -> list[dict[str, KeysValues]]:
        chunks = conditioning.context.split(len(conditioning.context) // len(conditioning.keys))
        return [self._chunk(key, chunk) for key, chunk in zip(conditioning.keys, chunks, strict=True)]

    @torch.inference_mode()
    def _chunk(self, content: bytes, context: Tensor) -> dict[str, KeysValues]:
        unet = self._unet
        loras = tuple((used.lora.sha256, used.weight) for used in self._adapters.loras)
        key = content, loras, unet.dtype, unet.device
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = unet.keys_values(context[None].to(unet.dtype))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._num_bytes += _size(made)
            while self._num_bytes > self.max_bytes:
                self._num_bytes -= _size(self._kept.popitem(last=False)[1])
        return made


def _together(rows: Sequence[Sequence[dict[str, KeysValues]]], site: str) -> KeysValues:
    """Keys and values of several rows, chunk behind chunk."""
    k, v = (
        torch.cat([torch.cat([chunk[site][i].transpose(1, 2) for chunk in chunks], dim=1) for chunks in rows])
        for i in (0, 1)
    )
    return k.transpose(1, 2), v.transpose(1, 2)  # b m h d -> b h m d


def _size(chunk: dict[str, KeysValues]) -> int:
    return sum(k.nbytes + v.nbytes for k, v in chunk.values())
