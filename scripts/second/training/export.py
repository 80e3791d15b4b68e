"""Exports checkpoints to the model's folder: diffusers' layout, shortened float16, licences, vocabulary,
card."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from limelight.pipeline.enlarging.load import CONFIG, FOLDER, WEIGHTS
from limelight.pipeline.enlarging.network import SIZES
from limelight.pipeline.models.save import follow_umask
from scripts.near.table import write_near
from scripts.second.autoencoder.ready import trained_vae
from scripts.second.autoencoder.training import build_vae
from scripts.second.training.config import TrainConfig
from scripts.second.training.data import World
from scripts.second.training.denoising import scheduler, unet_config
from scripts.second.training.packed import load_packed, shortened
from scripts.second.training.text import TextSide
from scripts.second.world.captions import every_word
from scripts.second.world.nouns import NOUNS
from scripts.second.world.phrases import (
    MATERIAL_WORDS,
    POSE_WORDS,
    RELATION_PHRASES,
    SIZE_WORDS,
    STYLE_PHRASES,
    SYNONYMS,
    TIME_PHRASES,
    WEATHER_PHRASES,
)
from scripts.second.world.places import GROUNDS, PLACES
from scripts.second.world.vocabulary import COLOURS, COUNTS
from scripts.training.export import PAPERS, replace_folder, weights_of
from scripts.training.tools import checkpoint

CARD = Path(__file__).with_name("card.md")


@dataclass(frozen=True)
class Parts:
    """The parts of a pipeline; `enlarger` is left out if its stage has not run."""

    unet: dict[str, Tensor]
    encoder: dict[str, Tensor]
    vae: AutoencoderKL
    enlarger: dict[str, Tensor] | None = None


def parts_of_run(config: TrainConfig, world: World, run: Path, average: str) -> Parts:
    """The parts with the averaged weights of the last checkpoint, or with the weights that a GPU run left.

    Args:
        average: which average, such as `average-0.999`.

    Raises:
        FileNotFoundError: a stage has not run.
    """
    packed, enlarger = load_packed(run), checkpoint.load(run / "enlarger.pt")
    net = enlarger and enlarger["modules"]["net"]
    if packed.get("unet"):
        vae = build_vae(config.vae)
        vae.register_to_config(scaling_factor=1.0)
        vae.load_state_dict(packed["vae"])
        return Parts(packed["unet"], packed["encoder"], vae, net)
    state = checkpoint.load(run / "unet.pt")
    if state is None:
        raise FileNotFoundError(f"{run / 'unet.pt'} does not exist; make it with stage `unet`")
    weights = state["modules"][average]
    halves = (weights_of(weights, f"module.{name}.") for name in ("unet", "encoder"))
    return Parts(*halves, trained_vae(config, world, run), net)


def export(config: TrainConfig, parts: Parts, tokenizer_folder: Path, out: Path, nouns: int) -> None:
    """Writes a pipeline to `out`; the folder changes by renames, whole or not.

    Args:
        nouns: how many nouns the model has learned, from the first.
    """
    unet = UNet2DConditionModel.from_config(unet_config(config))
    unet.load_state_dict(parts.unet)
    text = TextSide(config.text, tokenizer_folder)
    text.encoder.load_state_dict(parts.encoder)
    pipeline = StableDiffusionPipeline(
        vae=parts.vae,
        text_encoder=text.encoder,
        tokenizer=text.tokenizer,
        unet=unet,
        scheduler=scheduler(config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    fresh = out.with_name(f".{out.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    pipeline.to(dtype=torch.float16).save_pretrained(fresh, safe_serialization=True)
    # The weights are float16 to be small, but loaded in float32: transformers loads an encoder in the dtype
    # of its config, diffusers the other parts in float32, and both must agree.
    path = fresh / "text_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dtype": "float32"}, indent=2) + "\n")
    shutil.rmtree(fresh / "tokenizer")
    shutil.copytree(tokenizer_folder, fresh / "tokenizer")
    for paper in PAPERS.iterdir():
        shutil.copy(paper, fresh / paper.name)
    channels, size = ", ".join(map(str, config.unet.channels)), sum(w.numel() for w in parts.unet.values())
    card = CARD.read_text().format(nouns=nouns, channels=channels, size=size / 1e6)
    (fresh / "README.md").write_text(card)
    (fresh / "vocabulary.json").write_text(json.dumps(words_of(nouns), indent=1, ensure_ascii=False) + "\n")
    write_near(fresh)
    if parts.enlarger is not None:
        (fresh / FOLDER).mkdir()
        save_file({n: t.half() for n, t in parts.enlarger.items()}, fresh / FOLDER / WEIGHTS)
        (fresh / FOLDER / CONFIG).write_text(json.dumps(SIZES) + "\n")
    for path in fresh.rglob("*.safetensors"):
        tensors = {name: shortened(tensor) for name, tensor in load_file(path).items()}
        save_file(tensors, path, metadata={"format": "pt"})
    follow_umask(fresh, as_is=fresh / "vocabulary.json")
    replace_folder(fresh, out)


def words_of(nouns: int) -> dict:
    """The words that a model of the first `nouns` nouns was trained on, by kind: nouns with their plurals,
    words and phrases with their meaning where several say the same."""

    def meanings_of(table: dict[str, tuple[str, ...]]) -> dict[str, str]:
        return {phrase: meaning for meaning, phrases in table.items() for phrase in phrases}

    known = NOUNS[:nouns]
    words = {noun.word for noun in known}
    groups: dict = {
        "nouns": {noun.word: noun.plural for noun in known},
        "synonyms": {word: noun for noun, found in SYNONYMS.items() if noun in words for word in found},
        "colours": list(COLOURS),
        "backgrounds": list(GROUNDS),
        "materials": list(MATERIAL_WORDS),
        "places": {phrase: place.word for place in PLACES for phrase in place.phrases},
        "stuff": sorted({layer.word for place in PLACES for layer in place.layers if layer.word}),
        "times": meanings_of(TIME_PHRASES),
        "weather": meanings_of(WEATHER_PHRASES),
        "sizes": meanings_of(SIZE_WORDS),
        "poses": list(POSE_WORDS),
        "counts": list(COUNTS.values()),
        "relations": meanings_of(RELATION_PHRASES),
        "styles": [style for style in STYLE_PHRASES],
    }
    named = {word for group in groups.values() for phrase in group for word in phrase.split()}
    unknown = {w for noun in NOUNS[nouns:] for form in (noun.word, noun.plural) for w in form.split()}
    plurals = {word for noun in known for word in noun.plural.split()}
    rest = [word for word in every_word() if word not in named | unknown | plurals and word.isalnum()]
    return groups | {"others": rest}
