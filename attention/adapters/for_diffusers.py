"""Our backends as an attention processor of diffusers."""

from typing import Any

from torch import Tensor

from limelight.attention.adapters.log import KernelLog, attend_for


class AttentionProcessor:
    """For `set_attn_processor` of a stock diffusers model: it replaces `AttnProcessor2_0`.

    Args:
        backend: as `attention.attend` takes it; an order is obeyed or refused at the call.
        log: records what each layer runs.
    """

    def __init__(self, *, backend: str | None = None, log: KernelLog | None = None) -> None:
        self.backend = backend
        self.log = log

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        x = hidden_states if attn.spatial_norm is None else attn.spatial_norm(hidden_states, temb)
        shape = x.shape
        if x.ndim == 4:
            x = x.flatten(2).transpose(1, 2)  # b c h w -> b (h w) c
        if attn.group_norm is not None:
            x = attn.group_norm(x.transpose(1, 2)).transpose(1, 2)
        context = x if encoder_hidden_states is None else encoder_hidden_states
        if encoder_hidden_states is not None and attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)
        mask = None
        if attention_mask is not None:  # (b heads) 1 m
            mask = attn.prepare_attention_mask(attention_mask, context.shape[1], len(x))
            mask = mask.unflatten(0, (len(x), -1))
        q = attn.to_q(x).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        k, v = (
            project(context).unflatten(-1, (-1, q.shape[-1])).transpose(1, 2)
            for project in (attn.to_k, attn.to_v)
        )
        q = q if attn.norm_q is None else attn.norm_q(q)
        k = k if attn.norm_k is None else attn.norm_k(k)
        out = attend_for(
            attn, q, k, v, mask=mask, causal=False, scale=None, backend=self.backend, log=self.log
        )
        out = attn.to_out[1](attn.to_out[0](out.transpose(1, 2).flatten(2)))
        if len(shape) == 4:
            out = out.transpose(1, 2).reshape(shape)
        out = out + hidden_states if attn.residual_connection else out
        return out / attn.rescale_output_factor
