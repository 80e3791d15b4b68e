"""Our decoding caches as those of transformers."""

from typing import Any

import torch
from torch import Tensor

from limelight.attention.caches.decoding import DecodingCache, KVCache
from limelight.attention.recording.queries import QueryRecorder


def transformers_cache(cache: DecodingCache, num_layers: int) -> Any:
    """A `transformers.Cache`, for `generate(past_key_values=...)`, that keeps its keys and values in `cache`.

    Args:
        num_layers: of the model.
    """
    from transformers.cache_utils import Cache, DynamicLayer

    class Layer(DynamicLayer):
        is_croppable = False

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index
            self.is_initialized = True

        def update(
            self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
        ) -> tuple[Tensor, Tensor]:
            self.keys, self.values = cache.append(self.index, key_states, value_states)
            return self.keys, self.values

        def get_seq_length(self) -> int:
            return cache.length(self.index)

        def crop(self, *_: Any) -> None:
            raise NotImplementedError(
                "this cache takes no token back; use transformers' DynamicCache for that"
            )

    class Adapter(Cache):
        def reset(self) -> None:
            cache.reset()

        def reorder_cache(self, beam_idx: Tensor) -> None:
            cache.select(beam_idx)

        def batch_repeat_interleave(self, repeats: int) -> None:
            cache.select(torch.arange(cache.batch).repeat_interleave(repeats))

        def batch_select_indices(self, indices: Tensor) -> None:
            cache.select(indices)

    return Adapter(layers=[Layer(index) for index in range(num_layers)])


def reading_cache(num_layers: int, recorder: QueryRecorder | None = None) -> Any:
    """A `transformers.EncoderDecoderCache` of one sequence. It keeps the keys and values of a decoder's own
    tokens, and those of what the decoder reads, which are projected once.

    Args:
        recorder: of cross-attention, for models with layers of `adopt`.
    """
    from transformers.cache_utils import EncoderDecoderCache

    cache = EncoderDecoderCache(
        transformers_cache(KVCache(), num_layers), transformers_cache(KVCache(block_size=1), num_layers)
    )
    cache.recorder = recorder
    return cache
