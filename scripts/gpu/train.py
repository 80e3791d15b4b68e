"""Trains the second edition on one GPU in a given time: `python -m scripts.gpu.train --data DIR --out DIR`.

DIR of `--data` is what `python -m scripts.second.pack` made. In `--out`: the weights in pieces, which `python
-m scripts.gpu.collect --join RUN` puts together for `python -m scripts.second.train export`; a log; pictures.
`scripts/gpu/train_all.sh` runs it and the trainings of judge, describer and enlarger at the same time; these
need the autoencoder, which `--vae` writes for them as soon as it is there.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from limelight.unet import UNet
from limelight.unet.config.read_diffusers import translate
from scripts.gpu.tools.shards import split
from scripts.gpu.training.clock import FROM_SCRATCH, Clock
from scripts.gpu.training.learning import Learner, adamw, learn_pictures, optimizers_for, pictures, quality
from scripts.gpu.training.sketches import Sketchers, layout_of
from scripts.gpu.training.stock import Stock, images_of
from scripts.second.autoencoder.ready import centre
from scripts.second.autoencoder.training import build_vae, decoder_loss, vae_loss
from scripts.second.training.config import ONE_GPU, TrainConfig
from scripts.second.training.denoising import Denoising, scheduler, unet_config
from scripts.second.training.packed import NAME, load_packed, save_weights
from scripts.second.training.text import TextSide
from scripts.second.training.unet import SHOWN, sample
from scripts.second.world.atlas import Atlas
from scripts.second.world.nouns import CORE
from scripts.second.world.painter import Painter
from scripts.second.world.tiles import load_tiles
from scripts.training.tools.grid import save_grid

LEAST = 28.0  # decibels; a polished autoencoder below this is replaced by the one in --data
USES = 6  # uses of each latent, on average
POLISH, DECODER = 5e-4, 3e-4  # learning rates of a trained autoencoder, and of its decoder alone


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=560, help="time for all phases together")
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--batch", type=int, default=ONE_GPU.unet.stage.batch, help="batch size of the denoiser"
    )
    parser.add_argument("--workers", type=int, default=14, help="number of processes that prepare scenes")
    parser.add_argument(
        "--vae", type=Path, help="folder for the autoencoder, written when the denoiser's training begins"
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the denoiser, which takes minutes; a large batch hides what Python costs",
    )
    parser.add_argument(
        "--smoke", action="store_true", help="train in full size but keep only 2,048 scenes in stock"
    )
    parser.add_argument(
        "--tiny", action="store_true", help="a tiny network that learns nothing, to test the phases"
    )
    options = parser.parse_args(argv)
    config = tiny(ONE_GPU) if options.tiny else ONE_GPU
    size = 64 if options.tiny else 2048 if options.smoke else 65536
    run = Run(config, options.data, options.out, options.seconds, options.device, size, options.workers)
    run.start()
    run.polish()
    if options.vae:
        save_weights(options.vae / NAME, vae=run.vae)
    run.fill()
    run.learn(8 if options.tiny else options.batch, compiled=options.compile)
    run.decoder()
    run.finish()
    return 0


def tiny(config: TrainConfig) -> TrainConfig:
    """The smallest configuration."""
    return replace(
        config,
        mixture=replace(config.mixture, nouns=CORE),
        vae=replace(config.vae, channels=(8, 8, 16, 16)),
        text=replace(config.text, width=32, layers=1, heads=2),
        unet=replace(config.unet, channels=(16, 16, 16), heads=2, groups=8),
    )


class Run:
    """One run: the phases are methods, called in order; `clock` says when each is over."""

    def __init__(
        self,
        config: TrainConfig,
        data: Path,
        out: Path,
        seconds: float,
        device: str,
        size: int,
        workers: int,
    ):
        self.config, self.data, self.out, self.device = config, data, out, device
        self.size, self.workers = size, workers
        self.chunk = min(1024, size // 4)  # scenes in one sketch
        self.clock = Clock(seconds, out)
        self.debt = 0.0

    def start(self) -> None:
        """Loads the art and the weights of --data, and starts the worker processes."""
        torch.manual_seed(self.config.seed)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        atlas = Atlas(load_tiles(self.data)[:, : self.config.mixture.nouns], self.device)
        tokenizer = self.data / "tokenizer"
        self.sketchers = Sketchers(
            self.config.mixture,
            atlas.extents,
            self.config.text,
            tokenizer,
            seed=self.config.seed,
            size=self.chunk,
            processes=self.workers,
        )
        self.painter, self.text = Painter(atlas), TextSide(self.config.text, tokenizer, self.device)
        self.vae = build_vae(self.config.vae).to(self.device, memory_format=torch.channels_last)
        self.carried = load_packed(self.data)
        for module, name in ((self.vae, "vae"), (self.text.encoder, "encoder")):
            if self.carried.get(name):
                module.load_state_dict(self.carried[name])
        if not self.carried.get("vae"):
            self.clock.ends = FROM_SCRATCH
        carried = [*self.carried]
        self.clock.log(
            "started", workers=self.sketchers.alive, device=self.device, carried=carried, ends=self.clock.ends
        )

    def polish(self) -> None:
        """Trains the autoencoder, from the weights of --data if it has any. A result worse than `LEAST` is
        then discarded for these."""
        stream = pictures(self.painter, self.sketchers, 64 if self.size > 64 else 4, self.device)
        images = torch.cat([next(stream)[0] for _ in range(2)])
        before = quality(self.vae, images)
        optimizers = (
            [adamw(self.vae.parameters(), POLISH)]
            if self.carried.get("vae")
            else optimizers_for(self.config.vae.stage, [(self.vae, 1.0)])
        )
        steps = learn_pictures(
            lambda *given: vae_loss(*given).total,
            "polish",
            self.vae,
            optimizers,
            self.config,
            stream,
            self.clock,
        )
        after = quality(self.vae, images)
        if self.carried.get("vae") and after < min(LEAST, before):
            self.vae.load_state_dict(self.carried["vae"])
        self.clock.log("polished", steps=steps, before=before, after=after)
        latents = self._latents(images)
        self.vae.register_to_config(scaling_factor=1.0)
        centre(self.vae, self.config, latents)
        self.vae.eval().requires_grad_(False)

    @torch.no_grad()
    def _latents(self, images: torch.Tensor) -> torch.Tensor:
        parts = [images]
        for _ in range(3):
            sketch = self.sketchers.next(wait=5.0) or self.sketchers.here()
            parts.append(images_of(self.painter.paint(layout_of(sketch, self.device))))
        return torch.cat([self.vae.encode(part).latent_dist.mean for part in torch.cat(parts).split(64)])

    def fill(self) -> None:
        """Fills the stock until the phase is over, with at least one sketch."""
        self.stock = Stock(self.painter, self.vae, self.size, self.device)
        held_out = Stock(self.painter, self.vae, self.chunk, self.device)
        held_out.add(self.sketchers.here())
        self.held_out = held_out.draw(min(256, self.chunk), torch.Generator(self.device).manual_seed(5))
        while not self.stock.count or (self.stock.count < self.size and not self.clock.is_over("stock")):
            self.stock.add(self.sketchers.next(wait=5.0) or self.sketchers.here())
        self.clock.log("filled", scenes=self.stock.count, workers=self.sketchers.alive)

    def learn(self, batch: int, *, compiled: bool) -> None:
        """Trains the denoiser."""
        net = UNet(translate(unet_config(self.config))).to(self.device, memory_format=torch.channels_last)
        self.denoising = Denoising(self.config, net, self.text.encoder, self.text.ids([""])).to(self.device)
        for module, name in ((net, "unet"), (self.denoising.readers, "readers")):
            if self.carried.get(name):
                module.load_state_dict(self.carried[name])
        learner = Learner(
            self.config, self.denoising, self.stock, self.held_out, self.clock, self.write, batch
        )
        if compiled:
            self._compile(learner)
        steps = learner.run(self.refresh)
        self.parts, loss = learner.best()
        self.clock.log("learned", steps=steps, pictures=steps * learner.batch, held_out_loss=loss)

    def _compile(self, learner: Learner) -> None:
        """Compiles the network into one graph; if that fails, the network runs uncompiled."""
        plain = self.denoising.predict
        self.denoising.predict = torch.compile(plain, fullgraph=True)
        try:
            learner._step(0.0, 1.0)
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:
            self.denoising.predict = plain
            self.clock.log("not compiled", error=f"{type(error).__name__}: {str(error)[:300]}")
        else:
            self.clock.log("compiled")

    def refresh(self, used: int) -> None:
        """Replaces scenes that were used `USES` times by new ones; without living workers the stock stays."""
        self.debt += used / USES
        if self.debt >= self.chunk and self.sketchers.alive:
            sketch = self.sketchers.next()
            if sketch is not None:
                self.debt = min(self.debt - self.stock.add(sketch), 8.0 * self.chunk)

    def write(self, parts: nn.ModuleDict, mark: str) -> None:
        """Writes the weights of an average in pieces; the previous pieces stay until the new ones are
        complete."""
        fresh = Path(tempfile.mkdtemp(dir=self.out.parent, prefix=".pieces-"))
        file = fresh / NAME
        save_weights(file, unet=parts["unet"], encoder=parts["encoder"], vae=self.vae)
        split([file], fresh / "pieces")
        pieces = self.out / "pieces"
        if pieces.exists():
            pieces.rename(fresh / "before")
        (fresh / "pieces").rename(pieces)
        shutil.rmtree(fresh)
        self.clock.log("written", mark=mark)

    def decoder(self) -> None:
        """Trains the decoder alone, on noised latents."""
        parameters = [*self.vae.decoder.parameters(), *self.vae.post_quant_conv.parameters()]
        for parameter in parameters:
            parameter.requires_grad_(True)
        stream = pictures(self.painter, self.sketchers, 64 if self.size > 64 else 4, self.device)
        images, _ = next(stream)
        before = quality(self.vae, images)
        kept = {name: value.clone() for name, value in self.vae.state_dict().items()}
        steps = learn_pictures(
            decoder_loss,
            "decoder",
            self.vae,
            [adamw(parameters, DECODER)],
            self.config,
            stream,
            self.clock,
        )
        after = quality(self.vae, images)
        if after < before - 0.3:
            self.vae.load_state_dict(kept)
        self.clock.log("decoder done", steps=steps, before=before, after=after)

    def finish(self) -> None:
        """Writes the last weights, and pictures of the prompts that every report draws."""
        self.vae.requires_grad_(False)
        self.write(self.parts, "end")
        prompts = SHOWN.read_text().splitlines()
        images = sample(self.parts, self.vae, self.text, scheduler(self.config), prompts)
        save_grid(images, self.out / "pictures.png", 8, scale=1)
        self.sketchers.close()
        self.clock.log("finished")


if __name__ == "__main__":
    sys.exit(main())
