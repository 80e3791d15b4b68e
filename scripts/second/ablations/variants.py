"""The variants of the recipe: each is a change of the config."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scripts.second.training.config import PaintConfig, TrainConfig

Change = Callable[[TrainConfig], TrainConfig]
NOT_READ = "text encoder not pretrained"


def unet(**changes: Any) -> Change:
    return lambda config: replace(config, unet=replace(config.unet, **changes))


def stage(**changes: Any) -> Change:
    return lambda config: unet(stage=replace(config.unet.stage, **changes))(config)


def rate(factor: float) -> Change:
    return lambda config: stage(learning_rate=factor * config.unet.stage.learning_rate)(config)


def vae(**changes: Any) -> Change:
    return lambda config: replace(config, vae=replace(config.vae, **changes))


UNET: dict[str, Change] = {
    "the recipe": lambda config: config,
    "no oracle alignment": unet(alignment=0.0),
    "twice the oracle alignment": unet(alignment=0.2),
    "nothing painted": unet(paint=PaintConfig(share=0.0)),
    "half of the pictures painted": unet(paint=PaintConfig(share=0.5)),
    "words' places not trained": unet(grounding=0.0),
    "reading not trained": unet(reading=0.0),
    NOT_READ: unet(text_rate=1.0),
    "half the learning rate": rate(0.5),
    "twice the learning rate": rate(2.0),
    "AdamW for all, not Muon": stage(muon=False),
    "timesteps even": unet(timesteps=(1.0, 1.0)),
}
VAE: dict[str, Change] = {
    "the recipe": lambda config: config,
    "no half size": vae(halved=0.0),
    "no nested channels": vae(nested=0.0),
    "a quarter nested": vae(nested=0.25),
    "no windows": vae(crops=0.0),
    "things weigh as the rest": vae(on_things=1.0),
    "latents not noised": vae(latent_noise=0.0),
    "half the learning rate": lambda config: vae(
        stage=replace(config.vae.stage, learning_rate=config.vae.stage.learning_rate / 2)
    )(config),
}
