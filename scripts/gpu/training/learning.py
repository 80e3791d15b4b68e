"""The training phases: polishing the autoencoder, the denoiser, the decoder."""

import copy
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from scripts.gpu.training.clock import Clock, rate
from scripts.gpu.training.guard import Guard
from scripts.gpu.training.sketches import Sketchers, layout_of
from scripts.gpu.training.stock import Stock, images_of
from scripts.second.autoencoder.training import psnr
from scripts.second.training.config import TrainConfig
from scripts.second.training.denoising import Denoising
from scripts.second.training.unet import draw_timesteps
from scripts.second.world.painter import Painter
from scripts.training.config import StageConfig
from scripts.training.loop import Stage, optimizers_of
from scripts.training.tools.precision import mixed
from scripts.training.unet import ramped

LOG_EVERY = 100  # steps
# Shares of the denoiser's time after which its average is written; the first shows early that it can be.
MARKS = (0.03, 0.5, 0.75, 0.92)


def optimizers_for(
    config: StageConfig, modules: list[tuple[nn.Module, float]]
) -> list[torch.optim.Optimizer]:
    """Muon and AdamW for modules, each with its share of the learning rate."""
    groups = [([p for p in module.parameters() if p.requires_grad], share) for module, share in modules]
    stage = Stage(
        name="gpu",
        config=config,
        groups=groups,
        modules={},
        loss=lambda step: (torch.zeros(()), {}),
        report=lambda step: {},
    )
    return optimizers_of(stage)


def adamw(parameters: Iterable[nn.Parameter], peak: float) -> torch.optim.Optimizer:
    """AdamW for weights that were trained before."""
    group = {"params": [*parameters], "share": 1.0}
    return torch.optim.AdamW([group], lr=peak, betas=(0.9, 0.99), fused=True)


def step_with(
    optimizers: list[torch.optim.Optimizer], parameters: list[nn.Parameter], loss: Tensor, now: float
) -> None:
    """One optimizer step at the learning rate `now`."""
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = now * group["share"]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def pictures(
    painter: Painter, sketchers: Sketchers, batch: int, device: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """An endless iterator of pictures (-1..1) and masks of their things. The last sketch is used again until
    there is a new one."""
    sketch = sketchers.next() or sketchers.here()
    while True:
        painted = painter.paint(layout_of(sketch, device))
        images, things = images_of(painted), painted.things.sum(1, keepdim=True)
        for start in range(0, len(images), batch):
            yield images[start : start + batch], things[start : start + batch]
        sketch = sketchers.next() or sketch


def learn_pictures(
    kind: Callable[..., Tensor],
    phase: str,
    vae: AutoencoderKL,
    optimizers: list[torch.optim.Optimizer],
    config: TrainConfig,
    stream: Iterator[tuple[Tensor, Tensor]],
    clock: Clock,
) -> int:
    """Trains parameters of the autoencoder with `vae_loss` or `decoder_loss` until the phase is over, at
    least one step; returns the number of steps."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    parameters, peak = [parameter for group in groups for parameter in group["params"]], groups[0]["lr"]
    guard = Guard(vae, optimizers, clock.log)
    began, step = clock.elapsed, 0
    device = parameters[0].device
    generator = torch.Generator(device).manual_seed(1)
    rng = np.random.default_rng(1)
    while step == 0 or not clock.is_over(phase):
        images, things = next(stream)
        loss = kind(vae, config.vae, images, things, rng, generator)
        now = rate(peak, clock.progress(phase, began)) * guard.factor
        step_with(optimizers, parameters, loss, now)
        step += 1
        if step % 10 == 0:
            guard.watch(loss.item())
        if step % LOG_EVERY == 0:
            clock.log(phase, step=step, loss=loss.item(), rate=now)
    return step


def quality(vae: AutoencoderKL, images: Tensor) -> float:
    """Peak signal-to-noise ratio of reconstructions, in decibels."""
    with torch.no_grad(), mixed(images.device.type):
        decoded = [vae.decode(vae.encode(part).latent_dist.mean).sample.float() for part in images.split(32)]
    return psnr(torch.cat(decoded), images)


class Learner:
    """The denoiser's phase.

    Args:
        write: called with the better average at `MARKS` and at the end.
    """

    def __init__(
        self,
        config: TrainConfig,
        denoising: Denoising,
        stock: Stock,
        held_out: dict[str, Tensor],
        clock: Clock,
        write: Callable[[nn.ModuleDict, str], None],
        batch: int,
    ):
        self.config, self.denoising, self.stock, self.clock = config, denoising, stock, clock
        self.write, self.batch, self.held_out = write, batch, held_out
        self.device = stock.device
        shares = [(denoising.model["unet"], 1.0), (denoising.model["encoder"], config.unet.text_rate)]
        shares += [(denoising.readers, 1.0), (denoising.alignment, 1.0)]
        self.optimizers = optimizers_for(config.unet.stage, shares)
        self.parameters = [p for p in denoising.parameters() if p.requires_grad]
        self.averages = {decay: copy.deepcopy(denoising.model) for decay in config.unet.ema}
        for average in self.averages.values():
            average.requires_grad_(False)
        self.averaged = 0
        self.rng = np.random.default_rng(config.seed)
        self.generator = torch.Generator(self.device).manual_seed(config.seed)

    def run(self, refresh: Callable[[int], None]) -> int:
        """Trains until the phase is over, at least one step; calls `refresh` with the number of pictures
        used."""
        guard = Guard(self.denoising, self.optimizers, self.clock.log)
        began, step, marks = self.clock.elapsed, 0, list(MARKS)
        while step == 0 or not self.clock.is_over("learn"):
            progress = self.clock.progress("learn", began)
            try:
                losses = self._step(progress, guard.factor)
            except torch.cuda.OutOfMemoryError:
                self._halve()
                continue
            step += 1
            refresh(self.batch)
            if step % 10 == 0:
                guard.watch(losses.denoising.item())
            if step % LOG_EVERY == 0 or step == 1:
                speed = step * self.batch / max(self.clock.elapsed - began, 1e-3)
                self.clock.log("learn", step=step, pictures_per_s=speed, **losses.numbers())
            if marks and progress >= marks[0]:
                self.finish(f"{marks.pop(0):.0%}")
        self.finish("100%")
        return step

    def _step(self, progress: float, factor: float):  # type: ignore[no-untyped-def]
        drawn = self.stock.draw(self.batch, self.generator)
        timesteps = draw_timesteps(self.rng, self.batch, self.config.unet.timesteps).to(self.device)
        losses = self.denoising(drawn, self.denoising.draw(drawn, self.generator), timesteps, progress)
        now = (
            rate(self.config.unet.stage.learning_rate, progress, decay=self.config.unet.stage.decay) * factor
        )
        step_with(self.optimizers, self.parameters, losses.total, now)
        self._average()
        return losses

    @torch.no_grad()
    def _average(self) -> None:
        """Updates the averages as `AveragedModel` with `ramped_average` does. That reads its counter from the
        GPU in each step, and so waits for it."""
        current = [*self.denoising.model.parameters()]
        for decay, average in self.averages.items():
            torch._foreach_lerp_([*average.parameters()], current, 1 - ramped(decay, self.averaged))
        self.averaged += 1

    def _halve(self) -> None:
        self.batch = max(1, self.batch // 2)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        self.clock.log("out of memory", batch=self.batch)

    def best(self) -> tuple[nn.ModuleDict, float]:
        """The average with the lower held-out loss."""
        found = {decay: self._held_out(average) for decay, average in self.averages.items()}
        decay = min(found, key=lambda d: found[d])
        return self.averages[decay], found[decay]

    @torch.no_grad()
    def _held_out(self, parts: nn.ModuleDict) -> float:
        generator = torch.Generator(self.device).manual_seed(9)
        count = len(self.held_out["latents"])
        timesteps = torch.linspace(20, 980, count, device=self.device).long()
        noised = self.denoising.draw(self.held_out, generator)
        return self.denoising(self.held_out, noised, timesteps, 1.0, parts).denoising.item()

    def finish(self, mark: str) -> None:
        """Writes the better average."""
        parts, loss = self.best()
        self.write(parts, mark)
        self.clock.log("average", mark=mark, held_out_loss=loss)
