"""Textual inversion draws what diffusers draws with the same file, and its words are words of the maps."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import AdapterError
from limelight.unet import WeightsError
from tests.pipeline.stock import drawn_by, largest_difference, stock_pipeline

FIELDS: dict[str, Any] = {
    "negative_prompt": "blurry <toy>",
    "seed": 7,
    "num_steps": 4,
    "guidance_scale": 5.0,
    "width": 24,
    "height": 16,
}
WIDTHS = {"sd": [24], "sdxl": [24, 16]}


def random_vectors(count: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn((count, width), generator=torch.Generator().manual_seed(seed))


def load(folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(folder, device="cpu")


def by_diffusers(folder: Path, kind: str, prompt: str, vectors: list[Tensor], word: str) -> Image.Image:
    cls = {"sd": "StableDiffusionPipeline", "sdxl": "StableDiffusionXLPipeline"}[kind]
    pipe = stock_pipeline(cls, folder)
    pipe.load_textual_inversion(
        vectors[0], token=word, tokenizer=pipe.tokenizer, text_encoder=pipe.text_encoder
    )
    if kind == "sdxl":
        pipe.load_textual_inversion(
            vectors[1], token=word, tokenizer=pipe.tokenizer_2, text_encoder=pipe.text_encoder_2
        )
    return drawn_by(pipe, GenerationRequest(prompt=prompt, **FIELDS))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_the_picture_is_diffusers(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, count: int
) -> None:
    folder, prompt = request.getfixturevalue(f"{kind}_folder"), "a <toy>, on a red ground"
    vectors = [random_vectors(count, width) for width in WIDTHS[kind]]
    tensors = {"<toy>": vectors[0]} if kind == "sd" else {"clip_l": vectors[0], "clip_g": vectors[1]}
    save_file(tensors, tmp_path / "<toy>.safetensors")
    pipe = load(folder)
    plain = pipe(prompt, **FIELDS)
    assert pipe.load_embedding(tmp_path / "<toy>.safetensors") == "<toy>"
    taught = pipe(prompt, **FIELDS)
    assert largest_difference(taught.image, by_diffusers(folder, kind, prompt, vectors, "<toy>")) <= 1
    assert largest_difference(taught.image, plain.image) > 3
    pipe.unload_embedding()
    again = pipe(prompt, **FIELDS)
    assert again.image.tobytes() == plain.image.tobytes()
    assert again.info["adapters"] == []


@pytest.fixture(scope="module")
def loaded(sd_folder: Path) -> TextToImagePipeline:
    return load(sd_folder)


@pytest.fixture
def pipe(loaded: TextToImagePipeline) -> Iterator[TextToImagePipeline]:
    """A pipeline of the SD1 shape, which knows no word before and after a test."""
    yield loaded
    loaded.unload_embedding()


@pytest.fixture
def teach(pipe: TextToImagePipeline, tmp_path: Path) -> Callable[..., TextToImagePipeline]:
    """teach(word, count) -> the pipeline, which knows the word."""

    def make(word: str, count: int = 1) -> TextToImagePipeline:
        save_file({"emb_params": random_vectors(count, 24)}, tmp_path / f"{word}.safetensors")
        pipe.load_embedding(tmp_path / f"{word}.safetensors")
        return pipe

    return make


def test_a_file_that_names_no_word_is_called_by_its_own_name(
    teach: Callable[..., TextToImagePipeline],
) -> None:
    pipe = teach("easy_negative")
    texts = [
        token.text for token in pipe.model.text.prompt("an Easy_Negative cat").tokens if token.is_learned
    ]
    assert texts == ["Easy_Negative</w>"]


def test_the_vectors_take_the_place_of_the_word_in_the_ids(teach: Callable[..., TextToImagePipeline]) -> None:
    encoder = teach("<toy>", count=3).model.text.encoders[0]
    (chunk,) = encoder.chunks("a <toy> b")
    assert chunk.ids[:7] == [
        512,
        encoder.tokenizer.convert_tokens_to_ids("a</w>"),
        -1,
        -2,
        -3,
        *chunk.ids[5:7],
    ]
    assert [token.text for token in chunk.tokens[2:5]] == ["<toy>", "<toy>_1", "<toy>_2</w>"]
    assert {token.span for token in chunk.tokens[2:5]} == {(2, 7)}


@pytest.mark.parametrize(
    ("prompt", "count"),
    [
        ("style", 1),
        ("STYLE!", 1),
        ("in the (style:1.3) of", 1),
        ("style, style", 2),
        ("lifestyle", 0),
        ("styles", 0),
        ("style_2", 0),
        ("style-2", 1),
        ("", 0),
    ],
)
def test_only_whole_words_are_taken(
    teach: Callable[..., TextToImagePipeline], prompt: str, count: int
) -> None:
    tokens = teach("style").model.text.prompt(prompt).tokens
    assert sum(token.is_learned for token in tokens) == count
    assert all(prompt[slice(*token.span)].lower() == "style" for token in tokens if token.is_learned)


def test_the_longer_of_two_words_is_taken(pipe: TextToImagePipeline, tmp_path: Path) -> None:
    for seed, word in enumerate(("my toy", "my toy box")):
        save_file({word: random_vectors(1, 24, seed)}, tmp_path / f"{seed}.safetensors")
        assert pipe.load_embedding(tmp_path / f"{seed}.safetensors") == word
    taught = [token.text for token in pipe.model.text.prompt("my toy box, my toy").tokens if token.is_learned]
    assert taught == ["my toy box</w>", "my toy</w>"]


@pytest.mark.parametrize("word", ["<cat-toy>", "<my_style>", "style"])
def test_a_taught_word_has_one_map(teach: Callable[..., TextToImagePipeline], word: str) -> None:
    pipe = teach(word, count=2)
    fields = {key: value for key, value in FIELDS.items() if key != "negative_prompt"}
    maps = pipe(f"a {word} apple", record=True, **fields).maps
    assert [found.text for found in maps.words()] == ["a", word, "apple"]
    assert maps.words()[1].tokens == (2, 3)
    torch.testing.assert_close(maps.word(word), (maps.token(2) + maps.token(3)).clamp(0, 1))
    assert sum(maps.at(3, 3).values()) < 1


def test_the_record_names_the_word_and_its_file(
    teach: Callable[..., TextToImagePipeline], tmp_path: Path
) -> None:
    import hashlib

    result = teach("toy")("a toy", **FIELDS)
    sha256 = hashlib.sha256((tmp_path / "toy.safetensors").read_bytes()).hexdigest()
    assert result.info["adapters"] == [
        {"kind": "embedding", "name": "toy", "file": "toy.safetensors", "sha256": sha256}
    ]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            {"<toy>": torch.zeros(1, 768)},
            "is a textual inversion for another model: it has vectors of 1x768; this one needs a width of 24",
        ),
        (
            {"clip_l": torch.zeros(1, 24), "clip_g": torch.zeros(1, 16)},
            "it has vectors of 1x24 and 1x16; this one needs a width of 24",
        ),
        ({"a": torch.zeros(24), "b": torch.zeros(24)}, "it has 2 tensors; needs one, or clip_l and clip_g"),
        ({"<toy>": torch.zeros(76, 24)}, "has 76 vectors; must be 1 to 75"),
        ({"<toy>": torch.zeros(0, 24)}, "has 0 vectors; must be 1 to 75"),
        ({"a\nb": torch.zeros(24)}, r"teaches the word 'a\nb'; must be 1 to 200 printable characters"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    pipe: TextToImagePipeline, tmp_path: Path, tensors: dict[str, Tensor], message: str
) -> None:
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(AdapterError) as refusal:
        pipe.load_embedding(tmp_path / "x.safetensors")
    assert message in str(refusal.value)
    assert pipe.model.adapters.record() == []


def test_a_pickle_is_refused_with_the_way_to_convert_it(sd_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "toy.pt"
    path.write_bytes(pickle.dumps({"string_to_param": {"*": [1.0]}}))
    with pytest.raises(AdapterError) as refusal:
        load(sd_folder).load_embedding(path)
    assert str(refusal.value) == (
        f"{path} is a pickle or zip, which could run code and is not opened; convert it where its code may "
        "run: safetensors.torch.save_file({'emb_params': torch.load('toy.pt')['string_to_param']['*']}, "
        "'toy.safetensors')"
    )


def test_refusals_of_names(
    sd_folder: Path, teach: Callable[..., TextToImagePipeline], tmp_path: Path
) -> None:
    pipe = teach("toy")
    with pytest.raises(AdapterError, match="the word 'toy' is taught already"):
        pipe.load_embedding(tmp_path / "toy.safetensors")
    with pytest.raises(AdapterError, match="no word 'cat' is taught; taught are: toy"):
        pipe.unload_embedding("cat")
    with pytest.raises(AdapterError, match="does not exist"):
        pipe.load_embedding(tmp_path / "none.safetensors")
    with open(tmp_path / "toy.safetensors", "r+b") as file:
        file.truncate(100)
    with pytest.raises(WeightsError, match="It is cut off"):
        load(sd_folder).load_embedding(tmp_path / "toy.safetensors")
