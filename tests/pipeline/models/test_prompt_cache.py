"""Keys and values of prompts, computed once: the right ones, the same picture, and within bounds."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from limelight.attention import AttentionRuntime, get
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.models.prompt_cache import PromptCache
from limelight.pipeline.text.encoder import Conditioning
from limelight.unet import UNet
from tests.pipeline.adapters.lora_files import saved


@pytest.fixture(scope="module")
def pipe(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


class Projections:
    """Counts the chunks that a U-Net makes keys and values of."""

    def __init__(self, unet: UNet, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._made = unet.keys_values
        monkeypatch.setattr(unet, "keys_values", self)

    def __call__(self, context: Tensor) -> object:
        self.count += 1
        return self._made(context)


def expected(unet: UNet, conditioning: Conditioning, site: str) -> tuple[Tensor, Tensor]:
    layer = unet.get_submodule(site)
    with torch.inference_mode():
        return layer.keys_values(conditioning.context[None])


@torch.inference_mode()
def test_two_prompts_alternated_1000_times_never_read_each_other(pipe: TextToImagePipeline) -> None:
    unet, text = pipe.model.unet, pipe.model.text
    cache = PromptCache(unet, max_bytes=1)  # so that addresses are used again and again
    prompts = [text.prompt("a red apple"), text.prompt("a red appla")]
    site = unet.cross_attentions()[0].site
    right = [expected(unet, prompt, site) for prompt in prompts]
    assert not torch.equal(right[0][0], right[1][0])
    for turn in range(1000):
        with cache.rows([prompts[turn % 2]]) as (group,):
            k, v = group.at(site)
        assert torch.equal(k, right[turn % 2][0])
        assert torch.equal(v, right[turn % 2][1])


@torch.inference_mode()
@pytest.mark.parametrize("folder", ["sd_folder", "sdxl_folder"])
def test_the_prediction_is_the_same_bit_for_bit(folder: str, request: pytest.FixtureRequest) -> None:
    model = TextToImagePipeline.from_pretrained(request.getfixturevalue(folder), device="cpu").model
    unet, prompts = model.unet, [model.text.prompt(text) for text in ("a cat", "a dog", "a cat")]
    arguments: dict[str, Tensor] = {"x": torch.randn(3, 4, 8, 8), "timesteps": torch.tensor([981, 400, 7])}
    if prompts[0].pooled is not None:
        arguments["pooled"] = torch.stack([p.pooled for p in prompts if p.pooled is not None])
        arguments["size_ids"] = torch.tensor([[16, 16, 0, 0, 16, 16]]).repeat(3, 1)
    backends = {site.name: get("sdpa") for site in unet.sites}
    plain = unet(
        **arguments, context=torch.stack([p.context for p in prompts]), attention=AttentionRuntime(backends)
    )
    for _ in range(2):  # computed, then kept
        with model.prompt_cache.rows(prompts) as rows:
            ahead = AttentionRuntime(backends, context=rows)
            assert torch.equal(unet(**arguments, context=None, attention=ahead), plain)


@torch.inference_mode()
def test_rows_of_unequal_length_read_their_own_tokens(pipe: TextToImagePipeline) -> None:
    unet, text = pipe.model.unet, pipe.model.text
    prompts = [text.prompt(prompt) for prompt in ("a BREAK b", "a", "b BREAK c BREAK d", "e", "b BREAK a")]
    x, timesteps = torch.randn(5, 4, 8, 8), torch.full((5,), 500)
    backends = {site.name: get("math") for site in unet.sites}
    with pipe.model.prompt_cache.rows(prompts) as rows:
        assert [group.rows.tolist() for group in rows if group.rows is not None] == [[0, 4], [1, 3], [2]]
        together = unet(x, timesteps, None, attention=AttentionRuntime(backends, context=rows))
    for row, prompt in enumerate(prompts):
        alone = unet(x[row : row + 1], timesteps[:1], prompt.context[None])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-5)


def test_a_chunk_is_projected_once_for_all_steps_runs_seeds_and_rows(
    sd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    made = Projections(pipe.model.unet, monkeypatch)
    asked = GenerationRequest(prompt="a cat BREAK a dog", num_steps=3)
    pipe(asked.repeated(3))
    assert made.count == 3  # two chunks, and the empty negative prompt's
    pipe(GenerationRequest(prompt="a dog", negative_prompt="a cat", num_steps=3))
    assert made.count == 3
    pipe(GenerationRequest(prompt="a (dog:1.2)", guidance_scale=1.0, num_steps=1))
    pipe(GenerationRequest(prompt="a dog", clip_skip=2, guidance_scale=1.0, num_steps=1))
    assert made.count == 5


def test_loras_have_keys_and_values_of_their_own(sd_folder: Path, tmp_path: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    site = pipe.model.unet.cross_attentions()[0].site
    prompt = pipe.model.text.prompt("a cat")
    with pipe.model.prompt_cache.rows([prompt]) as (group,):
        before = group.at(site)
    layer = pipe.model.unet.get_submodule(f"{site}.to_k")
    down, up = torch.randn(2, layer.in_features), torch.randn(layer.out_features, 2)
    name = f"unet.{site}.to_k"
    lora = {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    pipe.load_lora(saved(lora, tmp_path / "lora.safetensors"))
    prompt = pipe.model.text.prompt("a cat")
    with pipe.model.prompt_cache.rows([prompt]) as (group,):
        assert torch.equal(group.at(site)[0], expected(pipe.model.unet, prompt, site)[0])
        assert not torch.equal(group.at(site)[0], before[0])
    pipe.unload_lora()
    with pipe.model.prompt_cache.rows([pipe.model.text.prompt("a cat")]) as (group,):
        assert torch.equal(group.at(site)[0], before[0])


def test_cached_prompts_need_no_projections(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    asked = GenerationRequest(prompt="a cat", num_steps=2)
    first = pipe(asked)
    pipe.model.unet.park_projections("meta")  # where nothing can be computed
    assert pipe(asked).image.tobytes() == first.image.tobytes()
    assert pipe.model.prompt_cache.pages.num_held == 0
