"""The U-Net of the Stable Diffusion family."""

from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from limelight.attention import AttentionRuntime, AttentionSpec, KeysValues
from limelight.unet.blocks import DownBlock, MidBlock, UpBlock
from limelight.unet.config.errors import UNetConfigError
from limelight.unet.config.read_diffusers import read_config
from limelight.unet.config.unet_config import UNetConfig
from limelight.unet.embeddings import TimestepEmbedding, sinusoids
from limelight.unet.freeu import FreeU
from limelight.unet.inputs import check_inputs
from limelight.unet.resnet import activation
from limelight.unet.sites import Site, list_sites
from limelight.unet.transformer import Attention
from limelight.unet.weights.find import find_weights
from limelight.unet.weights.load import load_strict, parameters_on_meta
from limelight.unet.weights.merge import MergedWeights

_Made = TypeVar("_Made", bound=nn.Module)


class UNet(nn.Module):
    """Predicts noise, velocity or sample, as the model was trained to; a scheduler denoises `x` with it.

    Module names equal those of diffusers' `UNet2DConditionModel`, so its weights load unchanged.

    Attributes:
        can_compile: whether `torch.compile` may compile it.
        merged: the changes merged into the weights, such as LoRAs.
        filter_bytes: memory that it may take for filters in addition to the weights; None if it makes none.

    Source: Rombach et al. 2022, arXiv:2112.10752; SDXL: Podell et al. 2023, arXiv:2307.01952.
    """

    can_compile: bool = True
    filter_bytes: int | None = None

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self.sites: tuple[Site, ...] = list_sites(config)
        self.merged = MergedWeights(self)
        self.execution_device: torch.device | None = None  # None is where the weights are
        first, n = config.down[0].channels, len(config.down)

        self.conv_in = nn.Conv2d(
            config.in_channels, first, config.conv_in_kernel, padding=config.conv_in_kernel // 2
        )
        self.time_embedding = TimestepEmbedding(
            first, config.time_embed_dim, act_fn=config.act_fn, cond_dim=config.time_cond_dim
        )
        self.add_embedding = (
            None
            if config.added is None
            else TimestepEmbedding(config.added.input_dim, config.time_embed_dim, act_fn="silu")
        )

        skips = [first]
        self.down_blocks = nn.ModuleList()
        for i, level in enumerate(config.down):
            is_last = i == n - 1
            block = DownBlock(level, config, in_channels=skips[-1], is_last=is_last, name=f"down_blocks.{i}")
            self.down_blocks.append(block)
            skips += [level.channels] * (level.num_resnets + (not is_last))

        self.mid_block = None if config.mid is None else MidBlock(config.mid, config, name="mid_block")

        below = config.down[-1].channels
        self.up_blocks = nn.ModuleList()
        for i, level in enumerate(config.up):
            self.up_blocks.append(
                UpBlock(
                    level,
                    config,
                    in_channels=below,
                    skip_channels=[skips.pop() for _ in range(level.num_resnets)],
                    stage=i,
                    is_last=i == n - 1,
                    name=f"up_blocks.{i}",
                )
            )
            below = level.channels

        self.conv_norm_out = nn.GroupNorm(config.norm_num_groups, first, config.norm_eps)
        self.conv_act = activation(config.act_fn)
        self.conv_out = nn.Conv2d(
            first, config.out_channels, config.conv_out_kernel, padding=config.conv_out_kernel // 2
        )

    @classmethod
    def from_pretrained(
        cls: type[_Made],
        folder: str | Path,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        variant: str | None = None,
    ) -> _Made:
        """The U-Net of a diffusers folder, ready to predict (`eval()`).

        Args:
            folder: holds config.json and the weights (the folder `unet` of a pipeline).
            variant: selects the weights with this word in their names, such as "fp16".

        Raises:
            UNetConfigError: the config is not a U-Net's, or has a part that this package lacks.
            WeightsError: the weights are missing, damaged, unsafe or of another model.
        """
        if (Path(folder) / "model_index.json").is_file():
            raise UNetConfigError(f"{folder} is a whole pipeline; its U-Net is {Path(folder) / 'unet'}")
        files = find_weights(folder, variant=variant)
        config = read_config(folder)
        with parameters_on_meta():
            unet = cls(config)
        load_strict(unet, files, dtype=dtype, device=device)
        return unet.eval()

    @property
    def device(self) -> torch.device:
        """The device that it computes on; its weights may be elsewhere between calls."""
        return self.execution_device or self.conv_in.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.conv_in.weight.dtype

    def settle(self) -> None:
        """Stops measuring alternative algorithms, since each measurement takes the time of a call."""

    def attention_specs(
        self,
        height: int,
        width: int,
        num_tokens: int,
        *,
        batch: int = 1,
        device: str | torch.device | None = None,
    ) -> dict[str, AttentionSpec]:
        """Site -> its attention call, for a latent of `height` x `width` and `num_tokens` of context."""
        device = self.device if device is None else torch.device(device)
        has_gpu = device.type == "cuda" and torch.cuda.is_available()
        capability = torch.cuda.get_device_capability(device) if has_gpu else None
        specs = {}
        for site in self.sites:
            rows, columns = site.grid(height, width)
            specs[site.name] = AttentionSpec(
                device=device.type,
                dtype=self.dtype,
                head_dim=site.head_dim,
                num_queries=rows * columns,
                num_keys=num_tokens if site.kind == "cross" else rows * columns,
                batch=batch,
                num_heads=site.num_heads,
                compute_capability=capability,
            )
        return specs

    def cross_attentions(self) -> list[Attention]:
        """The layers that read the context, in the order in which they run."""
        layers = {layer.site: layer for layer in self.modules() if isinstance(layer, Attention)}
        return [layers[site.name] for site in self.sites if site.kind == "cross"]

    def keys_values(self, context: Float[Tensor, "b m k"]) -> dict[str, KeysValues]:
        """Cross-attention site -> the keys and values that it projects from a context.

        They are computed on the device of the projections, and returned on the device of the U-Net.
        """
        found = {}
        for layer in self.cross_attentions():
            k, v = layer.keys_values(context.to(layer.to_k.weight.device))
            found[layer.site] = k.to(self.device), v.to(self.device)
        return found

    def park_projections(self, device: str | torch.device) -> None:
        """Moves the projections of contexts to `device`, for instance out of a GPU's memory (SDXL: 0.7 GB in
        float16). Calls that pass keys and values do not need them."""
        for layer in self.cross_attentions():
            layer.to_k.to(device)
            layer.to_v.to(device)

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        timesteps: Shaped[Tensor, " b"],
        context: Float[Tensor, "b m k"] | None,
        pooled: Float[Tensor, "b p"] | None = None,
        size_ids: Shaped[Tensor, "b s"] | None = None,
        attention: AttentionRuntime | None = None,
        *,
        time_cond: Float[Tensor, "b e"] | None = None,
        freeu: FreeU | None = None,
    ) -> Float[Tensor, "b o h w"]:
        """The prediction for `x` at `timesteps`.

        Args:
            x: noisy latents; inpainting and image-editing models take their extra channels here too.
            timesteps: one per row.
            context: text embeddings; None if `attention` has their keys and values.
            pooled: pooled text embedding (SDXL).
            size_ids: original size, crop and target size, or for the refiner its score (SDXL).
            attention: backend per site and recorder; None chooses a backend at each call and records nothing.
            time_cond: `guidance_embedding` of each row (LCM).
            freeu: factors on the way up; None changes nothing.

        Raises:
            ValueError: an input does not fit this U-Net; the message says what would.
        """
        check_inputs(self.config, self.dtype, x, timesteps, context, pooled, size_ids, attention, time_cond)
        temb = self.embed(timesteps, pooled, size_ids, time_cond)
        x = self.conv_in(x)
        skips = [x]
        for down in self.down_blocks:
            x = down(x, temb, context, attention, skips)
        if self.mid_block is not None:
            x = self.mid_block(x, temb, context, attention)
        for up in self.up_blocks:
            x = up(x, temb, context, attention, skips, freeu)
        return self.project_out(x)

    def embed(
        self,
        timesteps: Tensor,
        pooled: Tensor | None,
        size_ids: Tensor | None,
        time_cond: Tensor | None,
    ) -> Float[Tensor, "b e"]:
        """The activated embedding of the timesteps and sizes, which every residual block reads."""
        c = self.config
        embed = partial(sinusoids, flip_sin_to_cos=c.flip_sin_to_cos, freq_shift=c.freq_shift)
        temb = self.time_embedding(embed(timesteps, c.down[0].channels).to(self.dtype), time_cond)
        if c.added is not None and self.add_embedding is not None:
            assert pooled is not None and size_ids is not None  # check_inputs has checked them
            sizes = embed(size_ids.flatten(), c.added.size_embed_dim)
            sizes = sizes.unflatten(0, size_ids.shape).flatten(1)  # (b s) e -> b (s e)
            temb = temb + self.add_embedding(torch.cat((pooled, sizes.to(self.dtype)), dim=-1))
        return self.conv_act(temb)

    def project_out(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o h w"]:
        """The prediction from the features of the last block."""
        return self.conv_out(self.conv_act(self.conv_norm_out(x)))
