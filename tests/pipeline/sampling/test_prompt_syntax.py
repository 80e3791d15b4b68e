"""Prompts by AUTOMATIC1111's rules: from the request to the picture and its record."""

from dataclasses import replace

import numpy as np
import pytest

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import UnknownName
from limelight.pipeline.text.encoder import TextEncoder

ASKED = GenerationRequest(
    prompt="a (red:1.6) apple", negative_prompt="[blue]", num_steps=2, width=16, height=16, seed=3
)


@pytest.mark.parametrize("is_first", [True, False])
def test_the_syntax_decides_the_picture_and_is_recorded(sd: TextToImagePipeline, is_first: bool) -> None:
    ours, theirs = ASKED, replace(ASKED, prompt_syntax="a1111")
    pictures = {}
    for request in (ours, theirs) if is_first else (theirs, ours):  # neither reads the other's embeddings
        result = sd(request)
        pictures[request.prompt_syntax] = np.asarray(result.image)
        assert result.info["request"]["prompt_syntax"] == request.prompt_syntax
    assert (pictures["limelight"] != pictures["a1111"]).any()


def test_without_weights_both_draw_the_same(sd: TextToImagePipeline) -> None:
    plain = replace(ASKED, prompt="a red apple", negative_prompt="")
    ours, theirs = (np.asarray(sd(each).image) for each in (plain, replace(plain, prompt_syntax="a1111")))
    assert (ours == theirs).all()


def test_both_prompts_use_the_syntax(sd: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    encode = TextEncoder.prompt

    def noted(self: TextEncoder, text: str, **reading: object) -> object:
        read.append((text, reading))
        return encode(self, text, **reading)

    monkeypatch.setattr(TextEncoder, "prompt", noted)
    sd(replace(ASKED, prompt_syntax="a1111", clip_skip=2))
    reading = {"clip_skip": 2, "syntax": "a1111"}
    assert read == [(ASKED.prompt, reading), (ASKED.negative_prompt, reading)]


def test_an_unknown_syntax_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"unknown prompt syntax 'a111' \(did you mean 'a1111'\?\)"):
        replace(ASKED, prompt_syntax="a111")
