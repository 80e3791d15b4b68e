"""Models of transformers compute the same with our backends and caches as with their own."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from limelight.attention.adapters.cache import transformers_cache
from limelight.attention.adapters.for_transformers import UnsupportedAttention, register_with_transformers
from limelight.attention.adapters.log import KernelLog
from limelight.attention.adapters.written_out import adopt
from limelight.attention.caches.decoding import KVCache, PagedKVCache
from limelight.attention.registry import UnknownBackend

ASKING = ["clip", "gpt2", "llama"]  # for an implementation
WRITTEN_OUT = ["falcon", "falcon-alibi", "falcon-grouped", "blip"]
BACKENDS = [None, "math", "tiled", "sdpa-flash"]


def on_ours(model: Any, name: str, backend: str | None = None) -> KernelLog:
    log = KernelLog()
    if name in ASKING:
        model.set_attn_implementation(register_with_transformers(backend=backend, log=log))
    else:
        adopt(model, backend=backend, log=log)
    return log


@torch.no_grad()
def said(model: Any, name: str, inputs: dict[str, Tensor]) -> Tensor:
    more = {}
    if name == "blip":
        more["pixel_values"] = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    out = model(**inputs, **more)
    said = out.last_hidden_state if name == "clip" else out.logits
    return said[inputs["attention_mask"].bool()]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", [*ASKING, *WRITTEN_OUT])
def test_logits_are_equal_padded_or_not(
    name: str, backend: str | None, make: Callable[[str], Any], inputs: dict[str, Tensor]
) -> None:
    model, names = make(name), make(name).state_dict().keys()
    expected = said(model, name, inputs)
    log = on_ours(model, name, backend)
    with torch.no_grad():
        torch.testing.assert_close(said(model, name, inputs), expected, atol=1e-4, rtol=0)
    assert model.state_dict().keys() == names
    ran = log.layers(model)
    assert len(ran) == {"blip": 6}.get(name, 2)  # of BLIP 2 of the image, 2 of the text, 2 between them
    assert {each.backend.name for each in ran.values()} == {backend or "sdpa"}
    assert all(each.kernel for each in ran.values())


def test_a_layers_spec_shows_its_shared_heads(make: Callable[[str], Any]) -> None:
    ids = torch.arange(4, 10)[None]
    for name, num_kv_heads in (("llama", 2), ("falcon", 1)):
        model = make(name)
        log = on_ours(model, name)
        with torch.no_grad():
            model(ids)
        assert {each.spec.num_kv_heads for each in log.layers(model).values()} == {num_kv_heads}


@pytest.mark.filterwarnings("ignore:`past_key_values`:FutureWarning")  # versions differ in its name
@pytest.mark.parametrize("name", ["gpt2", "llama", "falcon", "falcon-grouped"])
@pytest.mark.parametrize("cache", ["contiguous", "paged"])
@pytest.mark.parametrize("beams", [1, 3])
def test_generate_writes_the_same_tokens(
    name: str, cache: str, beams: int, make: Callable[[str], Any], inputs: dict[str, Tensor]
) -> None:
    options = {"max_new_tokens": 24, "do_sample": False, "num_beams": beams, "pad_token_id": 1}
    if not inputs["attention_mask"][:, -1].all():
        pytest.skip("nobody generates behind padding")
    model = make(name)
    expected = model.generate(**inputs, **options)
    on_ours(model, name)
    ours = KVCache(block_size=8) if cache == "contiguous" else PagedKVCache(block_size=4)
    kept = transformers_cache(ours, num_layers=2)
    assert torch.equal(model.generate(**inputs, **options, past_key_values=kept), expected)
    assert ours.length() == expected.shape[1] - 1


def test_blip_captions_an_image_as_it_did(make: Callable[[str], Any]) -> None:
    pixels = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    model = make("blip")
    expected = model.generate(pixels, max_new_tokens=8)
    on_ours(model, "blip")
    assert torch.equal(model.generate(pixels, max_new_tokens=8), expected)


def test_calls_that_no_backend_computes_are_refused(make: Callable[[str], Any]) -> None:
    ids = torch.arange(4, 10)[None]
    model = make("llama")
    on_ours(model, "llama")
    with pytest.raises(UnsupportedAttention, match="output_attentions is set, and backends keep no prob"):
        model(ids, output_attentions=True)
    model = make("gpt2")
    on_ours(model, "gpt2")
    with pytest.raises(UnsupportedAttention, match=r"attention dropout is 0.1; .* call model.eval\(\)"):
        model.train()(ids)
    with pytest.raises(UnsupportedAttention, match="LlamaForCausalLM has no attention of Falcon or BLIP"):
        adopt(make("llama"))
    with pytest.raises(UnknownBackend):
        register_with_transformers(backend="fast")
    with pytest.raises(NotImplementedError, match="takes no token back"):
        transformers_cache(KVCache(), 1).crop(-1)
