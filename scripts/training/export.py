"""Exports checkpoints to the model's folder: diffusers' layout, float16, licences, vocabulary, card."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel

from limelight.pipeline.models.save import follow_umask
from scripts.near.table import write_near
from scripts.training.config import TrainConfig
from scripts.training.data import World
from scripts.training.text import TextSide
from scripts.training.tools import checkpoint
from scripts.training.unet import scheduler, unet_config
from scripts.training.vae_ready import trained_vae
from scripts.world import vocabulary
from scripts.world.captions import RELATION_PHRASES, every_word

PAPERS = Path(__file__).parent / "papers"


def export(config: TrainConfig, world: World, tokenizer_folder: Path, run: Path, out: Path) -> None:
    """Writes the averaged weights of the last checkpoint to `out`; the folder changes by renames, whole
    or not.

    Raises:
        FileNotFoundError: a stage has not run.
    """
    state = checkpoint.load(run / "unet.pt")
    if state is None:
        raise FileNotFoundError(f"{run / 'unet.pt'} does not exist; make it with stage `unet`")
    averaged = state["modules"]["averaged"]
    unet = UNet2DConditionModel.from_config(unet_config(config))
    unet.load_state_dict(weights_of(averaged, "module.unet."))
    text = TextSide(config, tokenizer_folder)
    text.encoder.load_state_dict(weights_of(averaged, "module.encoder."))
    vae: AutoencoderKL = trained_vae(config, world, run)
    pipeline = StableDiffusionPipeline(
        vae=vae,
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
    (fresh / "vocabulary.json").write_text(json.dumps(words_of(config), indent=1, ensure_ascii=False) + "\n")
    write_near(fresh)
    follow_umask(fresh, as_is=fresh / "vocabulary.json")
    replace_folder(fresh, out)


def words_of(config: TrainConfig) -> dict:
    """The words that the model was trained on, by kind."""
    groups = {
        "nouns": {noun.word: noun.plural for noun in vocabulary.NOUNS},
        "colours": list(vocabulary.COLOURS),
        "backgrounds": list(vocabulary.BACKGROUNDS),
        "sizes": list(vocabulary.SIZES),
        "counts": list(vocabulary.COUNTS.values()),
        "relations": {p: meaning or p for meaning, phrases in RELATION_PHRASES.items() for p in phrases},
        "styles": list(config.mixture.styles),
    }
    named = {word for words in groups.values() for phrase in words for word in phrase.split()}
    # Words of the tokenizer that no caption contains.
    silent = {"grey", "some", *vocabulary.STYLES} | _plurals()
    return groups | {"others": [word for word in every_word() if word not in named | silent]}


def _plurals() -> set[str]:
    return {noun.plural for noun in vocabulary.NOUNS}


def weights_of(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The part of a state dict whose names begin with `prefix`, which is taken off."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def replace_folder(fresh: Path, out: Path) -> None:
    """Puts `fresh` in the place of `out` by renames."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    fresh.rename(out)
    shutil.rmtree(old, ignore_errors=True)
