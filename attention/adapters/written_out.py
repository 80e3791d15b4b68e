"""Our backends in models of transformers that have attention code of their own."""

from typing import Any

from torch import Tensor, nn

from limelight.attention.adapters.for_transformers import UnsupportedAttention
from limelight.attention.adapters.log import KernelLog, attend_for


def adopt(model: nn.Module, *, backend: str | None = None, log: KernelLog | None = None) -> list[str]:
    """Replaces the attention layers of a Falcon or a BLIP by layers that use our backends.

    The new layers keep the parameters and names of the old ones, so `state_dict` does not change.

    Args:
        model: changed in place; a Falcon needs `attn_implementation="sdpa"`, which is its default.
        backend, log: as for `register_with_transformers`.

    Returns: the dotted names of the layers.

    Raises:
        UnsupportedAttention: the model has no such layer, or a Falcon makes masks of another form.
    """
    kinds = _kinds(backend, log)
    found = []
    for name, layer in list(model.named_modules()):
        kind = kinds.get(type(layer))
        if kind is None:
            continue
        if layer.config._attn_implementation != "sdpa" and "Falcon" in type(layer).__name__:
            raise UnsupportedAttention(
                f"{name} has attn_implementation {layer.config._attn_implementation!r}; must be 'sdpa'"
            )
        adopted = kind.__new__(kind)
        adopted.__dict__.update(layer.__dict__)
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, adopted)
        found.append(name)
    if not found:
        raise UnsupportedAttention(
            f"{type(model).__name__} has no attention of Falcon or BLIP; for models that take "
            "attn_implementation use register_with_transformers"
        )
    return found


def _kinds(backend: str | None, log: KernelLog | None) -> dict[type[nn.Module], type[nn.Module]]:
    """A class of transformers -> the class that replaces it."""
    from transformers.models.blip.modeling_blip import BlipAttention
    from transformers.models.blip.modeling_blip_text import BlipTextSelfAttention
    from transformers.models.falcon.modeling_falcon import FalconAttention, apply_rotary_pos_emb

    def attend(
        layer: nn.Module, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        out = attend_for(layer, q, k, v, mask=mask, causal=causal, scale=None, backend=backend, log=log)
        return out.transpose(1, 2).flatten(2)  # b h n d -> b n (h d)

    class Falcon(FalconAttention):
        """Falcon's attention. Its fused projection has one key head for all query heads, or one for each
        group."""

        def forward(
            self,
            hidden_states: Tensor,
            alibi: Tensor | None,
            attention_mask: Tensor | None,
            position_ids: Tensor | None = None,
            layer_past: Any = None,
            use_cache: bool = False,
            output_attentions: bool = False,
            position_embeddings: tuple[Tensor, Tensor] | None = None,
            **asked: Any,
        ) -> tuple[Tensor, None]:
            _refuse_probabilities(output_attentions)
            q, k, v = (x.transpose(1, 2) for x in self._split_heads(self.query_key_value(hidden_states)))
            if alibi is None:
                assert position_embeddings is not None
                q, k = apply_rotary_pos_emb(q, k, *position_embeddings)
            if layer_past is not None:
                k, v = layer_past.update(k, v, self.layer_idx)
            causal = attention_mask is None and q.shape[2] > 1
            return self.dense(attend(self, q, k, v, attention_mask, causal)), None

    class BlipVision(BlipAttention):
        """BLIP's attention between the patches of an image."""

        def forward(self, hidden_states: Tensor, **asked: Any) -> tuple[Tensor, None]:
            _refuse_probabilities(asked.get("output_attentions"))
            qkv = self.qkv(hidden_states).unflatten(-1, (3, self.num_heads, -1))
            q, k, v = qkv.permute(2, 0, 3, 1, 4)  # b n 3 h d -> 3 b h n d
            return self.projection(attend(self, q, k, v, None, False)), None

    class BlipText(BlipTextSelfAttention):
        """BLIP's attention between words, and from words to the image."""

        def forward(
            self,
            hidden_states: Tensor,
            attention_mask: Tensor | None = None,
            encoder_hidden_states: Tensor | None = None,
            encoder_attention_mask: Tensor | None = None,
            **asked: Any,
        ) -> tuple[Tensor, None]:
            _refuse_probabilities(asked.get("output_attentions"))
            is_cross = encoder_hidden_states is not None
            source = encoder_hidden_states if encoder_hidden_states is not None else hidden_states
            heads = (-1, self.attention_head_size)
            q = self.query(hidden_states).unflatten(-1, heads).transpose(1, 2)
            cache = asked.get("cache", asked.get("past_key_values"))
            if cache is not None and (is_cross or hasattr(cache, "cross_attention_cache")):
                k, v = self._from_cache(cache, source, is_cross)
            else:
                k, v = (f(source).unflatten(-1, heads).transpose(1, 2) for f in (self.key, self.value))
                if cache is not None:
                    k, v = cache.update(k, v, self.layer_idx)
            if is_cross and (recorder := getattr(cache, "recorder", None)) is not None:
                recorder.add(q, k, scale=self.attention_head_size**-0.5)
            mask = encoder_attention_mask if is_cross else attention_mask
            return attend(self, q, k, v, mask, False), None

        def _from_cache(self, cache: Any, source: Tensor, is_cross: bool) -> tuple[Tensor, Tensor]:
            """Keys and values from an encoder-decoder cache; the first call makes those of the image."""
            kept = cache.cross_attention_cache if is_cross else cache.self_attention_cache
            if is_cross and cache.is_updated.get(self.layer_idx):
                return kept.layers[self.layer_idx].keys, kept.layers[self.layer_idx].values
            heads = (-1, self.attention_head_size)
            k, v = (f(source).unflatten(-1, heads).transpose(1, 2) for f in (self.key, self.value))
            if is_cross:
                cache.is_updated[self.layer_idx] = True
            return kept.update(k, v, self.layer_idx)

    return {FalconAttention: Falcon, BlipAttention: BlipVision, BlipTextSelfAttention: BlipText}


def _refuse_probabilities(is_requested: bool | None) -> None:
    if is_requested:
        raise UnsupportedAttention(
            "output_attentions is set, and backends keep no probabilities; use the model as it was loaded"
        )
