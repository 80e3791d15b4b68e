"""Folders of tiny BLIPs as transformers saves them, and a small describer, with random weights."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from limelight.pipeline.describer.default import DefaultDescriber
from limelight.pipeline.describer.network import Reader, ReaderConfig
from limelight.pipeline.describer.vocabulary import NUMBERS, SOMETHING, SPECIAL, Words

WORDS = "a an red blue apple car star on the of what is how many left where picture in there dog grey".split()
PIECES = ["##s", "##ing", "##ly", ".", "?", "'", "-", "1", "2", "un", "play", "stand", "photo"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *PIECES]
SIDE, PATCH = 32, 8


def write_tokenizer(folder: Path) -> None:
    """A lower-case WordPiece tokenizer, as BLIP's: without the token that begins a text."""
    from transformers import BertTokenizer

    BertTokenizer(vocab={word: i for i, word in enumerate(VOCABULARY)}).save_pretrained(folder)


def tiny(kind: str, seed: int = 20, **vision: Any) -> Any:
    """A `captions` or a `questions` model; of random weights, large enough that no attention is uniform."""
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipForQuestionAnswering

    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = small | {
        "vocab_size": len(VOCABULARY) + 1,
        "max_position_embeddings": 48,
        "encoder_hidden_size": 32,
    }
    tokens = {
        "bos_token_id": len(VOCABULARY),
        "eos_token_id": 3,
        "sep_token_id": 3,
        "pad_token_id": 0,
    }
    config = BlipConfig(
        text_config=text | tokens,
        vision_config=small | {"image_size": SIDE, "patch_size": PATCH} | vision,
    )
    model = {"captions": BlipForConditionalGeneration, "questions": BlipForQuestionAnswering}[kind](config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(std=3.0 if "position" in name else 0.4, generator=generator)
            if "norm" in name.lower() and name.endswith("weight"):
                weight.add_(1)
    return model.eval()


def write_processor(folder: Path, side: int) -> None:
    """The options of BLIP's image processor, as the hub's folders have them."""
    import json

    options = {"image_processor_type": "BlipImageProcessor", "size": {"height": side, "width": side}}
    (folder / "preprocessor_config.json").write_text(json.dumps(options))


@pytest.fixture(scope="session")
def blip_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """blip_folder(kind, seed, side=..., **vision) -> a folder with a tiny BLIP; not to be changed."""

    @cache
    def make(kind: str, seed: int = 20, side: int = SIDE, **vision: Any) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        tiny(kind, seed, **vision).save_pretrained(folder)
        write_tokenizer(folder)
        write_processor(folder, side)
        return folder

    return make


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Pictures of noise, of several sizes."""
    generator = torch.Generator().manual_seed(1)
    sizes = [(32, 32), (50, 40), (24, 64)]
    return [
        Image.fromarray(torch.randint(0, 256, (h, w, 3), generator=generator, dtype=torch.uint8).numpy())
        for w, h in sizes
    ]


SMALL = "a an the is are there of to on at in and next , ? what how many where colour"
SMALL += " background things left right above below yes no nothing"


@pytest.fixture(scope="session")
def words() -> Words:
    nouns = {"apple": "apples", "car": "cars", "fish": "fish", "fox": "foxes"}
    colours, grounds = ("red", "blue", "orange"), ("white", "red", "gray")
    tokens = [*SPECIAL, *SMALL.split(), SOMETHING, *NUMBERS[:5], *nouns, *nouns.values(), *colours, *grounds]
    return Words(tuple(dict.fromkeys(tokens)), nouns, colours, grounds)


@pytest.fixture(scope="session")
def reader(words: Words) -> Reader:
    torch.manual_seed(0)
    config = ReaderConfig(num_words=len(words.tokens), widths=(8, 8, 16, 16), dim=32, heads=4, kv_heads=2)
    reader = Reader(config).eval()
    with torch.no_grad():
        reader.encoder.known[-1].bias.fill_(9.0)  # every picture is of the world
    return reader


@pytest.fixture(scope="session")
def folder(reader: Reader, words: Words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("describer")
    save_file(reader.state_dict(), path / "model.safetensors")
    stored = {"reader": reader.config.to_dict(), "words": words.to_dict()}
    (path / "config.json").write_text(json.dumps(stored), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def describer(folder: Path) -> DefaultDescriber:
    return DefaultDescriber.from_pretrained(folder)


@pytest.fixture(scope="session")
def more_words() -> Words:
    """A world with places, times, materials and so on; one noun is a colour too, and one a place."""
    nouns = {"apple": "apples", "car": "cars", "fox": "foxes", "orange": "oranges", "moon": "moons"}
    colours, grounds = ("red", "blue", "orange"), ("white", "red", "gray")
    groups = {
        "materials": {"golden": "gold", "glass": "glass"},
        "places": {"beach": "on a beach", "snow": "in the snow", "moon": "on the moon"},
        "times": {"day": "", "sunset": "at sunset", "night": "at night"},
        "weathers": {"rain": "in the rain", "snow": "in falling snow"},
        "styles": {"flat": "flat style"},
        "poses": ("flying", "upside down"),
        "relations": ("front", "behind", "wearing"),
    }
    small = SMALL + " this it made time day weather raining snowing front behind wearing upside down flying"
    small += " gold falling snow rain style flat beach sunset night golden glass"
    tokens = [*SPECIAL, *small.split(), SOMETHING, *NUMBERS, *nouns, *nouns.values(), *colours, *grounds]
    return Words(tuple(dict.fromkeys(tokens)), nouns, colours, grounds, **groups)
