"""DiffEdit's mask: of the differences that two jobs of one image and noise have, from one encoding."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import NonFinitePrediction, RequestError
from limelight.pipeline.reading import change_mask as module
from limelight.pipeline.reading.change_mask import SEEDS, differences
from limelight.pipeline.sampling.begin import begin
from limelight.pipeline.sampling.predict import predict

PROMPT, OTHER = "an apple and a dog", "a pear and a dog"


def picture() -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((32, 24), Image.Resampling.BICUBIC)


def request(seed: int = 0) -> GenerationRequest:
    return GenerationRequest(
        prompt=PROMPT, image=picture(), strength=0.5, num_steps=50, guidance_scale=1.0, seed=seed
    )


def test_an_image_is_encoded_once_and_the_mask_is_that_of_jobs_that_begin_from_it(
    sd: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, wanted = sd.engine, []
    for seed in range(SEEDS):
        asked = [replace(request(seed), prompt=prompt) for prompt in (PROMPT, OTHER)]
        resolved = [engine.resolve(each) for each in asked]
        attention = engine.attention(32, 24)
        with torch.inference_mode():
            jobs = [begin(0, each, sd.model, attention, 8)[0] for each in resolved]
        one, other = (row[0] for row in predict(sd.model, jobs) if isinstance(row, Tensor))
        wanted.append((one - other).abs().mean(0))
    encodings: list[Tensor] = []
    encode = sd.model.vae.encode
    monkeypatch.setattr(sd.model.vae, "encode", lambda x, **k: (encodings.append(x), encode(x, **k))[1])
    found = differences(engine, engine.resolve(request()), OTHER)
    assert len(encodings) == 1
    assert torch.equal(torch.stack(found), torch.stack(wanted))
    assert sd.change_mask(picture(), PROMPT, OTHER).size == (32, 24)


def test_what_cannot_be_read_or_overflows_is_refused(
    sd: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RequestError, match="image nothing"):
        sd.change_mask("nothing.png", PROMPT, OTHER)
    monkeypatch.setattr(module, "predict", lambda model, jobs: [NonFinitePrediction("NaN"), torch.zeros(1)])
    with pytest.raises(NonFinitePrediction, match="NaN"):
        sd.change_mask(picture(), PROMPT, OTHER)
