"""Our backends as an attention implementation of transformers."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from limelight.attention.adapters.log import KernelLog, attend_for
from limelight.attention.registry import get
from limelight.errors import UsageError

# Arguments that some models pass in addition to q, k, v and mask. No backend here computes them.
UNSUPPORTED = ("softcap", "position_bias", "s_aux", "head_mask")


class UnsupportedAttention(UsageError):
    """A model needs something of its attention that this package does not compute; the message names it."""


def register_with_transformers(
    name: str = "limelight", *, backend: str | None = None, log: KernelLog | None = None
) -> str:
    """Makes `attn_implementation=name` known to transformers, for every model that takes implementations.

    Two things are registered: the function, and the form of its masks. Without the second, transformers would
    silently ignore the padding of a batch. Models with attention code of their own (Falcon, BLIP) never look
    the name up: see `attention.adapters.written_out`.

    Args:
        name: the implementation's name; registering a name again replaces it for every model of this process.
        backend: as `attention.attend` takes it; an order is obeyed or refused at the call.
        log: records what each layer runs.

    Returns: the name.

    Raises:
        UnknownBackend: no backend has that name.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if backend is not None:
        get(backend)
    AttentionInterface.register(name, _forward_by(backend, log))
    AttentionMaskInterface.register(name, sdpa_mask)
    return name


def _forward_by(backend: str | None, log: KernelLog | None) -> Callable[..., tuple[Tensor, None]]:
    def forward(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        is_causal: bool | None = None,
        **asked: Any,
    ) -> tuple[Tensor, None]:
        for what in UNSUPPORTED:
            if asked.get(what) is not None:
                raise UnsupportedAttention(
                    f"{type(module).__name__} asks for {what}, which no backend computes; "
                    "load the model with attn_implementation='eager'"
                )
        if asked.get("output_attentions"):
            raise UnsupportedAttention(
                "output_attentions is set, and backends keep no probabilities; "
                "load the model with attn_implementation='eager'"
            )
        if dropout:
            raise UnsupportedAttention(
                f"attention dropout is {dropout}; backends have none: call model.eval()"
            )
        num_queries, num_keys = query.shape[2], key.shape[2]
        causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
        causal = causal and attention_mask is None and num_queries > 1  # a mask already includes causality
        if causal and num_keys > num_queries:  # the rest of the buffer is not written yet
            key, value = key[:, :, :num_queries], value[:, :, :num_queries]
        out = attend_for(
            module,
            query,
            key,
            value,
            mask=attention_mask,
            causal=causal,
            scale=scaling,
            backend=backend,
            log=log,
        )
        return out.transpose(1, 2).contiguous(), None

    return forward
