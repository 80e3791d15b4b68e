"""BLIP describes and answers as it does in transformers, and its maps are its own attention."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from limelight.attention import BackendRefused, UnknownBackend
from limelight.pipeline.describer.blip import MAX_TOKENS, WHAT, BlipDescriber
from limelight.pipeline.describer.decoder import Decoder, write
from limelight.pipeline.describer.description import NotAQuestion
from limelight.pipeline.describer.load import load_describer
from limelight.pipeline.errors import RequestError

Make = Callable[..., Path]
CAPTIONS, QUESTIONS = (20, 47), (51, 7)  # seeds whose texts differ between pictures
QUESTION = "Where is the dog playing?"


def original(folder: Path) -> Any:
    """The model as transformers loads it."""
    import transformers

    (name,) = json.loads((folder / "config.json").read_text())["architectures"]
    return getattr(transformers, name).from_pretrained(folder).eval()


def pixels(describer: Any, picture: Image.Image) -> Tensor:
    return describer.preprocessing(picture)


def attended(attentions: tuple[Tensor, ...]) -> Tensor:
    """Layers of b h n m -> n m."""
    return torch.stack(attentions).mean((0, 2))[0]


@pytest.mark.parametrize("seed", CAPTIONS)
def test_captions_are_those_of_generate_and_maps_its_cross_attention(
    seed: int, blip_folder: Make, pictures: list[Image.Image]
) -> None:
    folder = blip_folder("captions", seed)
    describer, model = load_describer(folder), original(folder)
    texts = set()
    for picture in pictures:
        inputs = pixels(describer, picture)
        ids = model.generate(inputs, num_beams=1, max_new_tokens=MAX_TOKENS)[0].tolist()
        with torch.no_grad():
            read = model.vision_model(inputs).last_hidden_state
            whole = model.text_decoder(
                torch.tensor([ids]), encoder_hidden_states=read, output_attentions=True
            )
        end = model.config.text_config.sep_token_id
        written = ids[1 : ids.index(end) if end in ids else None]
        maps = attended(whole.cross_attentions)[: len(written), 1:].unflatten(-1, (4, 4))

        description = describer.describe(picture)
        texts.add(description.text)
        assert description.text == describer.tokenizer.decode(written, skip_special_tokens=True)
        tokens = describer.tokenizer.convert_ids_to_tokens(written)
        expected: list[tuple[str, list[int]]] = []
        for i, token in enumerate(tokens):
            if token.startswith("##") and expected:
                word, own = expected[-1]
                expected[-1] = word + token[2:], [*own, i]
            elif token and token not in describer.tokenizer.all_special_tokens:
                expected.append((token.removeprefix("##"), [i]))
        expected = [each for each in expected if each[0][0].isalnum()]
        assert [word.text for word in description.words] == [word for word, _ in expected]
        for word, (_, own) in zip(description.words, expected, strict=True):
            assert description.text[slice(*word.span)] == word.text
            torch.testing.assert_close(word.map, maps[own].mean(0), atol=1e-5, rtol=0)
    assert len(texts) == len(pictures)


@pytest.mark.parametrize("backend", [None, "math", "tiled"])
def test_logits_and_looks_are_equal_with_and_without_kept_keys(
    backend: str | None, blip_folder: Make, pictures: list[Image.Image]
) -> None:
    folder = blip_folder("captions", 47)
    describer = BlipDescriber.from_pretrained(folder, backend=backend)
    model, config = original(folder), describer.model.config.text_config
    for picture in pictures[:1]:
        inputs = pixels(describer, picture)
        with torch.inference_mode():
            read = describer.model.vision_model(inputs).last_hidden_state
            args = {"first": config.bos_token_id, "end": config.sep_token_id, "max_tokens": 16}
            kept = write(Decoder(describer.model.text_decoder, read), **args)
            again = write(Decoder(describer.model.text_decoder, read, keeps=False), **args)
            assert kept.ids == again.ids and len(kept.ids) > 5
            torch.testing.assert_close(kept.looks, again.looks, atol=1e-5, rtol=0)

            ids = [config.bos_token_id, *kept.ids]
            whole = model(inputs, torch.tensor([ids])).logits[0]
            for keeps in (True, False):
                decoder = Decoder(describer.model.text_decoder, read, keeps=keeps)
                logits = torch.stack([decoder.next(id)[0] for id in ids])
                torch.testing.assert_close(logits, whole, atol=1e-4, rtol=0)


def test_the_picture_is_projected_once(blip_folder: Make, pictures: list[Image.Image]) -> None:
    """With kept keys each token projects itself alone; without, everything is projected again."""
    describer = load_describer(blip_folder("captions", 47))
    layer = describer.model.text_decoder.bert.encoder.layer[0]
    counts: dict[str, list[int]] = {"own": [], "picture": []}
    layer.attention.self.key.register_forward_hook(lambda _, x, y: counts["own"].append(y.shape[1]))
    layer.crossattention.self.key.register_forward_hook(lambda _, x, y: counts["picture"].append(y.shape[1]))
    describer.describe(pictures[0])
    assert counts == {"own": [1] * MAX_TOKENS, "picture": [17]}


@pytest.mark.parametrize("seed", QUESTIONS)
def test_answers_are_those_of_generate_and_questions_look_at_the_picture(
    seed: int, blip_folder: Make, pictures: list[Image.Image]
) -> None:
    folder = blip_folder("questions", seed)
    describer, model = load_describer(folder), original(folder)
    for picture in pictures:
        inputs = pixels(describer, picture)
        asked = describer.tokenizer(QUESTION, return_tensors="pt").input_ids
        ids = model.generate(asked, inputs, num_beams=1, max_new_tokens=MAX_TOKENS)[0].tolist()
        with torch.no_grad():
            read = model.vision_model(inputs).last_hidden_state
            encoded = model.text_encoder(asked, encoder_hidden_states=read, output_attentions=True)
            answered = model.text_decoder(
                torch.tensor([ids]),
                encoder_hidden_states=encoded.last_hidden_state,
                output_attentions=True,
            )
        of_tokens = attended(encoded.cross_attentions)[:, 1:]
        answer = describer.ask(picture, QUESTION)
        assert answer.question == QUESTION
        assert answer.text == describer.tokenizer.decode(ids, skip_special_tokens=True)

        pieces = describer.tokenizer.convert_ids_to_tokens(asked[0])
        assert pieces == ["[CLS]", "where", "is", "the", "dog", "play", "##ing", "?", "[SEP]"]
        assert [word.text for word in answer.asked] == ["Where", "is", "the", "dog", "playing"]
        assert all(QUESTION[slice(*word.span)] == word.text for word in answer.asked)
        for word, own in zip(answer.asked, [[1], [2], [3], [4], [5, 6]], strict=True):
            expected = of_tokens[own].mean(0).unflatten(-1, (4, 4))
            torch.testing.assert_close(word.map, expected, atol=1e-5, rtol=0)

        if answer.words and not any("##" in describer.tokenizer.decode([id]) for id in ids):
            expected = (attended(answered.cross_attentions)[0] @ of_tokens).unflatten(-1, (4, 4))
            torch.testing.assert_close(answer.words[0].map, expected, atol=1e-5, rtol=0)


def test_a_blip_for_questions_describes_by_its_answer(blip_folder: Make, pictures: list[Image.Image]) -> None:
    describer = load_describer(blip_folder("questions", 51))
    description, answer = describer.describe(pictures[1]), describer.ask(pictures[1], WHAT)
    assert (description.text, description.known) == (answer.text, 1.0)
    assert [word.span for word in description.words] == [word.span for word in answer.words]


def test_a_blip_for_captions_says_what_questions_need(blip_folder: Make, pictures: list[Image.Image]) -> None:
    describer = load_describer(blip_folder("captions"))
    with pytest.raises(
        RequestError, match=r"writes captions .* need a BLIP folder of BlipForQuestionAnswering"
    ):
        describer.ask(pictures[0], QUESTION)


def test_questions_that_are_empty_or_too_long_are_refused(
    blip_folder: Make, pictures: list[Image.Image]
) -> None:
    describer = load_describer(blip_folder("questions", 51))
    with pytest.raises(
        NotAQuestion, match=r"the question is ' '; ask, for example, 'what is in the picture\?'"
    ):
        describer.ask(pictures[0], " ")
    with pytest.raises(NotAQuestion, match=r"the question has 62 tokens; .* reads at most 48"):
        describer.ask(pictures[0], "what " * 60)


@pytest.mark.parametrize(("side", "image_size", "grid"), [(48, 32, 6), (48, 48, 6), (30, 30, 3), (16, 32, 2)])
def test_other_sizes_of_the_vision_tower(
    side: int, image_size: int, grid: int, blip_folder: Make, pictures: list[Image.Image]
) -> None:
    folder = blip_folder("captions", 20, side, image_size=image_size)
    describer, model = load_describer(folder), original(folder)
    ids = model.generate(
        pixels(describer, pictures[1]),
        interpolate_pos_encoding=side != image_size,
        max_new_tokens=MAX_TOKENS,
    )[0]
    description = describer.describe(pictures[1])
    assert description.text == describer.tokenizer.decode(ids, skip_special_tokens=True)
    assert {tuple(word.map.shape) for word in description.words if word.map is not None} == {(grid, grid)}


def test_pictures_of_all_kinds_are_read(
    blip_folder: Make, pictures: list[Image.Image], tmp_path: Path
) -> None:
    describer = load_describer(blip_folder("captions"))
    picture = pictures[1]
    expected = describer.describe(picture).text
    opaque = picture.convert("RGBA")
    opaque.save(tmp_path / "alpha.png")
    other = Image.fromarray(255 - np.asarray(picture))
    picture.save(tmp_path / "moving.webp", save_all=True, append_images=[other], lossless=True)
    assert describer.describe(tmp_path / "alpha.png").text == expected
    assert describer.describe(str(tmp_path / "moving.webp")).text == expected
    Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert describer.describe(tmp_path / "deep.png").text == describer.describe(picture.convert("L")).text
    with pytest.raises(RequestError, match=r"picture .* cannot be read"):
        describer.describe(tmp_path / "nothing.png")


def test_a_backend_is_an_order(blip_folder: Make, pictures: list[Image.Image]) -> None:
    folder = blip_folder("captions")
    with pytest.raises(UnknownBackend):
        load_describer(folder, backend="fast")
    with pytest.raises(BackendRefused):
        load_describer(folder, backend="flash").describe(pictures[0])


def test_a_describer_has_a_name_and_the_hash_of_its_weights(blip_folder: Make) -> None:
    folder = blip_folder("captions")
    describer = load_describer(folder)
    assert describer.name == str(folder)
    assert len(describer.hash) == 64
    assert describer.hash != load_describer(blip_folder("questions", 51)).hash
