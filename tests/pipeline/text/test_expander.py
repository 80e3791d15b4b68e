"""A language model extends prompts: seeded, with known words, and recorded."""

from pathlib import Path

import pytest
import torch

from limelight.pipeline import GenerationRequest
from limelight.pipeline.errors import ModelError, RequestError, UnknownName
from limelight.pipeline.models.locate import locate_model
from limelight.pipeline.requests.expansion import Expansion
from limelight.pipeline.segments import words_in
from limelight.pipeline.text.expander import DEFAULT_EXPANDER, Expander, likely
from limelight.pipeline.text.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    known = Vocabulary.read(locate_model("default"))
    assert known is not None
    return known


@pytest.fixture(scope="module")
def expander(vocabulary: Vocabulary) -> Expander:
    return Expander.from_pretrained(vocabulary=vocabulary)


def test_a_prompt_stays_and_known_words_come_behind_it(expander: Expander, vocabulary: Vocabulary) -> None:
    for prompt in ("apple", "a (frog:1.3)", "dragon", "two cats "):
        for seed in range(8):
            expansion = expander.expand(prompt, seed=seed)
            assert expansion.text.startswith(prompt)
            assert vocabulary.unknown(words_in(expansion.added)) == ()
            assert "  " not in expansion.text
            assert prompt.endswith(" ") or not expansion.added[:1].isalnum()
    assert len({expander.expand("apple", seed=seed).added for seed in range(8)}) > 3


def test_the_same_seed_adds_the_same_words_whatever_was_drawn_before(expander: Expander) -> None:
    first = expander.expand("apple", seed=7)
    torch.rand(3)
    expander.expand("a star", seed=1)
    assert expander.expand("apple", seed=7) == first
    assert (first.seed, first.model, len(first.hash)) == (7, "default", 64)


def test_a_whole_caption_gets_little_more(expander: Expander) -> None:
    added = [expander.expand("a red apple on a blue background", seed=seed).added for seed in range(10)]
    assert sum(not text for text in added) >= 5


def test_the_cache_changes_no_probability(expander: Expander) -> None:
    """What the cache keeps changes no probability."""
    ids = expander._ids("a red apple")
    written = expander._written(ids, seed=3)
    generator = torch.Generator("cpu").manual_seed(3)
    again: list[int] = []
    banned = [id for id in expander.tokenizer.all_special_ids if id != expander.tokenizer.eos_token_id]
    with torch.inference_mode():
        for _ in range(len(written)):
            logits = expander.model(torch.tensor([ids + again]), use_cache=False).logits[0, -1].float()
            logits[banned] = -torch.inf
            again.append(int(torch.multinomial(likely(logits), 1, generator=generator)))
    assert again == written
    assert expander.model.config.num_key_value_heads < expander.model.config.num_attention_heads


def test_the_included_expander_is_small() -> None:
    assert sum(file.stat().st_size for file in DEFAULT_EXPANDER.iterdir()) < 4 * 2**20


def test_any_causal_model_will_do_and_words_nobody_knows_end_it(
    tmp_path: Path, vocabulary: Vocabulary
) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = ["<eos>", "apple", "on", "a", "red", "zeppelin"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<eos>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>").save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(words), n_embd=16, n_layer=1, n_head=2, n_positions=64)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    free = Expander.from_pretrained(tmp_path).expand("apple", seed=0)
    bound = Expander.from_pretrained(tmp_path, vocabulary=vocabulary).expand("apple", seed=0)
    assert "zeppelin" in free.added
    assert bound.added == free.added[: free.added.index("zeppelin")].rstrip()


def test_a_folder_that_is_no_language_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown language model 'nothing'"):
        Expander.from_pretrained("nothing")
    with pytest.raises(ModelError, match=r"has no .safetensors file"):
        Expander.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="holds no causal language model"):
        Expander.from_pretrained(tmp_path)


def test_a_request_keeps_where_its_prompt_came_from() -> None:
    expansion = Expansion(typed="apple", added=" on blue", seed=1, model="default", hash="0" * 64)
    request = GenerationRequest(prompt=expansion.text, expansion=expansion)
    assert GenerationRequest.from_dict(request.to_dict()) == request
    with pytest.raises(
        RequestError,
        match="prompt is 'pear' and its expansion makes 'apple on blue'; the two must be the same",
    ):
        GenerationRequest(prompt="pear", expansion=expansion)
    with pytest.raises(
        RequestError, match=r"expansion is \{'typed': 3\}; must have typed, added, seed, model"
    ):
        GenerationRequest.from_dict({"prompt": "apple", "expansion": {"typed": 3}})
    with pytest.raises(RequestError, match="expansion is 'apple'; must have"):
        GenerationRequest(prompt="apple", expansion="apple")
