"""Edits of the words: what they keep, in any company, from their record, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.results.png import read_record, request_of
from limelight.pipeline.sampling.edits.editing import Editing
from limelight.pipeline.text.align import Alignment, align
from tests.pipeline.stock import largest_difference


@pytest.fixture(scope="module")
def sd(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


def request(**fields: Any) -> GenerationRequest:
    given = {"prompt": "an apple and a dog", "seed": 3, "num_steps": 5, "width": 32, "height": 24}
    return GenerationRequest(**(given | fields))


def aligned(sd: TextToImagePipeline, base: str, edit: str) -> Alignment:
    return align(base, sd.model.text.prompt(base), edit, sd.model.text.prompt(edit))


@pytest.mark.parametrize("scheduler", ["model", "euler-a", "heun"])
def test_an_edit_to_the_same_prompt_is_the_base_bit_for_bit(sd: TextToImagePipeline, scheduler: str) -> None:
    result = sd(request(edit_of="an apple and a dog", scheduler=scheduler))
    assert result.base is not None
    assert largest_difference(result.image, result.base) == 0
    assert result.info["edit"] == []
    assert largest_difference(result.image, sd(request(scheduler=scheduler)).image) <= 1


def test_base_and_edit_share_calls_and_the_base_is_what_it_is_alone(
    sd: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    forward = sd.model.unet.forward
    monkeypatch.setattr(
        sd.model.unet, "forward", lambda x, *a, **k: (rows.append(len(x)), forward(x, *a, **k))[1]
    )
    result = sd(request(prompt="an apple and a cat", edit_of="an apple and a dog", negative_prompt="grey"))
    assert rows == [4] * 5
    assert result.base is not None and result.info["edit"] == ["dog -> cat"]
    alone = sd(request(negative_prompt="grey"))
    assert largest_difference(result.base, alone.image) <= 1
    unlike = sd(request(prompt="an apple and a cat", negative_prompt="grey"))
    assert largest_difference(result.image, unlike.image) > 1


def test_nothing_kept_is_the_prompts_own_picture(sd: TextToImagePipeline) -> None:
    result = sd(request(prompt="a red cat", edit_of="an apple and a dog", keep=(0, 0)))
    assert largest_difference(result.image, sd(request(prompt="a red cat")).image) <= 1


@pytest.mark.parametrize("prompt", ["an apple and a cat", "an apple", "an apple BREAK and a big red dog"])
def test_a_picture_is_the_same_in_any_company_and_from_its_record(
    sd: TextToImagePipeline, prompt: str, tmp_path: Path
) -> None:
    asked = request(prompt=prompt, edit_of="an apple and a dog", guidance_end=0.6, record="grid")
    others = [request(seed=9, pag_scale=2.0), request(prompt="a BREAK b", paint="b@0,0,.5,1")]
    together = sd([others[0], asked, others[1]])
    for result, other in zip(together, [others[0], asked, others[1]], strict=True):
        assert largest_difference(result.image, sd(other).image) <= 1
    assert together[1].maps is not None and together[1].maps.num_steps == 5
    again = request_of(read_record(together[1].save(tmp_path / "a.png")))
    assert largest_difference(sd(again).image, together[1].image) <= 1


def test_windows_and_grids_are_fractions(sd: TextToImagePipeline) -> None:
    resolved = sd.engine.resolve(request(prompt="a cat", edit_of="a dog", keep=(0.8, 0.4)))
    editing = Editing(resolved, sd.model, aligned(sd, "a dog", "a cat"))
    roles = ["base negative", "base", "negative", "prompt"]
    for progress, cross, own in ((0.0, True, True), (0.4, True, False), (0.8, False, False)):
        *others, edited = editing.rows(roles, progress)  # type: ignore[arg-type]
        assert others == [None, None, None]
        assert (edited is not None) == (cross or own)
        if edited is not None and edited.lend is not None:
            assert edited.lend.row == -2
            assert (edited.lend.values is not None, bool(edited.lend.sites)) == (cross, own)
            grids = {s.grid(12, 16) for s in sd.model.unet.sites if s.name in edited.lend.sites}
            assert grids == ({(6, 8)} if own else set())  # not the finest, of 12x16


@pytest.mark.parametrize(
    ("prompt", "cross"), [("a big dog and a cat", 0.36), ("a big cat", 0.6), ("a", 0.6), ("a dog", 0.6)]
)
def test_where_words_are_only_added_cross_attention_is_kept_for_a_shorter_time(
    sd: TextToImagePipeline, prompt: str, cross: float
) -> None:
    resolved = sd.engine.resolve(request(prompt=prompt, edit_of="a dog", keep=(0.6, 0)))
    editing = Editing(resolved, sd.model, aligned(sd, "a dog", prompt))
    roles = ["base", "prompt"]
    kept = [editing.rows(roles, at) for at in (cross - 0.01, cross)]  # type: ignore[arg-type]
    assert kept[0][1] is not None and kept[1] == [None, None]
    blended = replace(resolved, blend_words=("dog",))
    editing = Editing(blended, sd.model, aligned(sd, "a dog", prompt))
    assert editing.rows(roles, 0.59)[1] is not None  # type: ignore[arg-type]


def test_words_are_aligned_by_blocks_and_the_rest_by_position(sd: TextToImagePipeline) -> None:
    """Each letter is a token here: 'dog' has 3, 'apple' 5."""
    found = aligned(sd, "a dog", "a apple")
    assert found.changes == ["dog -> apple"]
    assert found.tokens[1, 1] == 1 and found.tokens[0, 0] == 1
    assert torch.equal(found.tokens[2:5, 2:7], torch.full((3, 5), 0.2))
    assert torch.equal(found.tokens[8:, 8:], torch.eye(77)[8:, 8:])  # padding behind both
    assert found.share[7] == 0  # the edit's end, where the base has padding: its own
    longer = aligned(sd, "a dog", "a big dog")
    assert longer.changes == ["+ big"] and longer.share[2:5].sum() == 0
    assert torch.equal(longer.tokens[2:5, 5:8], torch.eye(3))
    same = aligned(sd, "a dog BREAK x", "a dog BREAK x")
    assert torch.equal(same.tokens, torch.eye(len(same.tokens)))
    assert np.isclose(aligned(sd, "a dog", "a cat").tokens.sum(), 77)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"paint": "dog@0,0,.5,1"}, "edit_of and paint are given; an edit takes its"),
        ({"pag_scale": 2.0}, "edit_of and pag_scale are given"),
        ({"pick": 4}, "edit_of and pick are given"),
        ({"keep": (2, 0)}, "cross of keep is 2; must be from 0 to 1"),
        ({"keep": "0.8"}, "keep has 1 numbers; write cross,self, each 0 to 1"),
        ({"edit_of": 5}, "edit_of is 5; must be text"),
    ],
)
def test_what_cannot_be_edited_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as refusal:
        request(**({"edit_of": "a dog"} | fields))
    assert words in str(refusal.value)
