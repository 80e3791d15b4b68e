"""Weights of diffusers' models under the names of the original layout. The names are written by hand, after
the layout's own code, since the tested code derives them in another way.

The names are written out by hand, after the layout's own code: what is tested derives them another way.
"""

from typing import Any

import torch
from torch import Tensor


def unet_names(unet: Any) -> dict[str, str]:
    """diffusers' name of every weight -> the original one."""
    per_level = unet.config.layers_per_block + 1
    swaps = [("time_embedding.linear_1.", "time_embed.0."), ("time_embedding.linear_2.", "time_embed.2.")]
    swaps += [("add_embedding.linear_1.", "label_emb.0.0."), ("add_embedding.linear_2.", "label_emb.0.2.")]
    swaps += [("conv_norm_out.", "out.0."), ("conv_out.", "out.2."), ("conv_in.", "input_blocks.0.0.")]
    for i, types in enumerate(zip(unet.config.down_block_types, unet.config.up_block_types, strict=True)):
        for j in range(per_level):
            swaps += [(f"down_blocks.{i}.resnets.{j}.", f"input_blocks.{per_level * i + j + 1}.0.")]
            swaps += [(f"down_blocks.{i}.attentions.{j}.", f"input_blocks.{per_level * i + j + 1}.1.")]
            swaps += [(f"up_blocks.{i}.resnets.{j}.", f"output_blocks.{per_level * i + j}.0.")]
            swaps += [(f"up_blocks.{i}.attentions.{j}.", f"output_blocks.{per_level * i + j}.1.")]
        swaps += [(f"down_blocks.{i}.downsamplers.0.conv.", f"input_blocks.{per_level * (i + 1)}.0.op.")]
        place = 2 if "CrossAttn" in types[1] else 1
        up = f"output_blocks.{per_level * (i + 1) - 1}.{place}.conv."
        swaps += [(f"up_blocks.{i}.upsamplers.0.conv.", up)]
    swaps += [("mid_block.resnets.0.", "middle_block.0."), ("mid_block.resnets.1.", "middle_block.2.")]
    swaps += [("mid_block.attentions.0.", "middle_block.1.")]
    inner = [("norm1.", "in_layers.0."), ("conv1.", "in_layers.2."), ("norm2.", "out_layers.0.")]
    inner += [("conv2.", "out_layers.3."), ("time_emb_proj.", "emb_layers.1.")]
    inner += [("conv_shortcut.", "skip_connection.")]

    def rename(name: str) -> str:
        for theirs, original in swaps:
            if name.startswith(theirs):
                rest = name.removeprefix(theirs)
                for a, b in inner if ".resnets." in theirs else []:
                    rest = rest.replace(a, b)
                return f"model.diffusion_model.{original}{rest}"
        raise KeyError(name)

    return {name: rename(name) for name in unet.state_dict()}


def vae_tensors(vae: Any) -> dict[str, Tensor]:
    top = len(vae.config.block_out_channels) - 1
    swaps = [("conv_shortcut", "nin_shortcut"), ("conv_norm_out", "norm_out")]
    swaps += [("mid_block.attentions.0.", "mid.attn_1."), ("group_norm", "norm"), ("to_out.0", "proj_out")]
    swaps += [("to_q", "q"), ("to_k", "k"), ("to_v", "v")]
    swaps += [(f"mid_block.resnets.{j}.", f"mid.block_{j + 1}.") for j in range(2)]
    for i in range(top + 1):
        swaps += [(f"down_blocks.{i}.resnets.", f"down.{i}.block.")]
        swaps += [(f"down_blocks.{i}.downsamplers.0.", f"down.{i}.downsample.")]
        swaps += [(f"up_blocks.{i}.resnets.", f"up.{top - i}.block.")]
        swaps += [(f"up_blocks.{i}.upsamplers.0.", f"up.{top - i}.upsample.")]
    tensors = {}
    for name, tensor in vae.state_dict().items():
        is_projection = ".attentions." in name and tensor.ndim == 2
        for theirs, original in swaps:
            name = name.replace(theirs, original)
        tensors[f"first_stage_model.{name}"] = tensor[:, :, None, None] if is_projection else tensor
    return tensors


def clip_tensors(model: Any, prefix: str) -> dict[str, Tensor]:
    """As OpenAI's CLIP has been kept since SD1: transformers' names of then, and the positions' numbers."""
    named = {f"{prefix}text_model.{name}": tensor for name, tensor in model.state_dict().items()}
    return named | {f"{prefix}text_model.embeddings.position_ids": torch.arange(77)[None]}


def open_clip_tensors(model: Any, prefix: str, *, unread_layers: int = 0) -> dict[str, Tensor]:
    """As OpenCLIP names them, queries, keys and values in one; `unread_layers` more than the model has."""
    state = {name.removeprefix("text_model."): tensor for name, tensor in model.state_dict().items()}
    tensors = {
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
        "text_projection": state["text_projection.weight"].T
        if "text_projection.weight" in state
        else torch.eye(64),
        "logit_scale": torch.tensor(4.6),
    }
    parts = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    num_layers = model.config.num_hidden_layers
    for i in range(num_layers + unread_layers):
        ours, block = f"encoder.layers.{min(i, num_layers - 1)}", f"transformer.resblocks.{i}"
        for kind in ("weight", "bias"):
            stacked = [state[f"{ours}.self_attn.{x}_proj.{kind}"] for x in "qkv"]
            tensors[f"{block}.attn.in_proj_{kind}"] = torch.cat(stacked)
            tensors[f"{block}.attn.out_proj.{kind}"] = state[f"{ours}.self_attn.out_proj.{kind}"]
            tensors |= {f"{block}.{a}.{kind}": state[f"{ours}.{b}.{kind}"] for a, b in parts.items()}
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}
