"""Trains the small language model that expands prompts: `python -m scripts.train_expander`.

It learns to continue captions of the scenes that a model was trained on. All words that it does not know are
one token, <unk>, which replaces the first noun in some of the captions.
"""

import argparse
import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from limelight.pipeline.models.locate import locate_model
from limelight.pipeline.text.vocabulary import Vocabulary
from scripts.second.training.config import GPU_MIXTURE
from scripts.second.world import captions as second_captions
from scripts.second.world.nouns import NOUNS as SECOND_NOUNS
from scripts.second.world.phrases import SYNONYMS
from scripts.second.world.sampling import sample_scene as sample_second
from scripts.world.captions import describe
from scripts.world.scene import Mixture, sample_scene
from scripts.world.vocabulary import NOUNS

FOLDER = Path(__file__).parent.parent / "pipeline" / "default_expander"
PAD, START, END, UNKNOWN = "<pad>", "<s>", "</s>", "<unk>"
MAX_TOKENS = 32
UNKNOWN_NOUNS = 0.15  # the share of captions whose first noun is replaced by <unk>


def tokenizer_of(vocabulary: Vocabulary) -> PreTrainedTokenizerFast:
    """A tokenizer of the whole words of the default model and the punctuation of captions."""
    words = [PAD, START, END, UNKNOWN, ",", ".", "!", *sorted(vocabulary.words)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)  # words apart, signs close to them
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=START, eos_token=END, unk_token=UNKNOWN
    )


def captions(tokenizer: PreTrainedTokenizerFast, count: int, said: Iterator[tuple[str, str]]) -> Tensor:
    """The first `count` captions whose words are all known and that are not too long, as ids, padded at the
    end. Some of them are said without their first noun.

    Args:
        said: captions, each in full and with <unk> for its first noun.
    """
    rows: list[list[int]] = []
    chance = Random(0)
    while len(rows) < count:
        full, other = (tokenizer.encode(text, add_special_tokens=False) for text in next(said))
        if tokenizer.unk_token_id in full or len(full) > MAX_TOKENS - 2:
            continue
        ids = other if chance.random() < UNKNOWN_NOUNS else full
        row = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
        rows.append(row + [tokenizer.pad_token_id] * (MAX_TOKENS - len(row)))
    return torch.tensor(rows)


def sayings(vocabulary: Vocabulary, seed: int) -> Iterator[tuple[str, str]]:
    """Captions without end of scenes that a model of this vocabulary knows, each in full and with <unk> for
    its first noun. A vocabulary with places is one of the second edition."""
    return _second_sayings(vocabulary, seed) if "places" in vocabulary.groups else _first_sayings(seed)


def _first_sayings(seed: int) -> Iterator[tuple[str, str]]:
    rng, mixture = np.random.default_rng(seed), Mixture()
    noun = re.compile(rf"\b({'|'.join(form for noun in NOUNS for form in (noun.plural, noun.word))})\b")
    while True:
        text = describe(sample_scene(rng, mixture), rng)
        yield text, noun.sub(UNKNOWN, text.lower(), count=1)


def _second_sayings(vocabulary: Vocabulary, seed: int) -> Iterator[tuple[str, str]]:
    known = set(vocabulary.groups["nouns"])
    spoken = {noun: (noun, vocabulary.plurals[noun], *SYNONYMS.get(noun, ())) for noun in known}
    phrases = {tuple(phrase.split()) for forms in spoken.values() for phrase in forms}
    count = next((i for i, noun in enumerate(SECOND_NOUNS) if noun.word not in known), len(SECOND_NOUNS))
    rng, mixture = Random(seed), replace(GPU_MIXTURE, nouns=count)
    while True:
        caption = second_captions.describe(sample_second(rng, mixture), rng)
        words, end = caption.words, caption.heads[0] + 1
        start = next(start for start in range(end) if words[start:end] in phrases)
        yield caption.text, replace(caption, words=(*words[:start], UNKNOWN, *words[end:])).text


def model_of(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Llama's architecture; two query heads share a key head."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def loss_of(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, ids: Tensor) -> Tensor:
    """The mean cross-entropy of the words; <unk> is never a target."""
    ids = ids[:, : int((ids != tokenizer.pad_token_id).sum(1).max())]
    logits = model(ids[:, :-1], attention_mask=(ids[:, :-1] != tokenizer.pad_token_id).long()).logits
    target = ids[:, 1:].masked_fill(ids[:, 1:] == tokenizer.unk_token_id, tokenizer.pad_token_id)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=tokenizer.pad_token_id)


def train(vocabulary: Vocabulary, out: Path, num_steps: int, batch: int, num_captions: int) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    tokenizer, said = tokenizer_of(vocabulary), sayings(vocabulary, 0)
    data, held = captions(tokenizer, num_captions, said), captions(tokenizer, 1000, said)
    model = model_of(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=num_steps, pct_start=0.05)
    start = time.monotonic()
    for step in range(num_steps):
        rows = torch.from_numpy(rng.integers(len(data), size=batch))
        loss = loss_of(model, tokenizer, data[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.3f}, {time.monotonic() - start:.0f} s", flush=True)
    model.eval()
    with torch.no_grad():
        of_held = loss_of(model, tokenizer, held).item()
    print(f"held-out captions: {of_held:.3f} nats a word")
    save(
        out,
        model,
        tokenizer,
        {"num_steps": num_steps, "captions": num_captions, "held_out_loss": round(of_held, 3)},
    )


def save(
    out: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, card: dict[str, object]
) -> None:
    """Replaces a folder by this model."""
    shutil.rmtree(out, ignore_errors=True)
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "README.md").write_text(
        "# The language model that expands prompts\n\nA small Llama with grouped-query attention, trained by "
        "`python -m scripts.train_expander` on captions\nof the world's scenes. Apache-2.0, as the rest of "
        f"the repository.\n\n    {json.dumps(card)}\n",
        encoding="utf-8",
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default", help="the model whose words it learns")
    parser.add_argument("--out", type=Path, default=FOLDER, help="a folder, which is replaced")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--captions", type=int, default=30_000)
    options = parser.parse_args()
    vocabulary = Vocabulary.read(locate_model(options.model))
    if vocabulary is None:
        parser.error(f"{options.model} lists no words; a model with a vocabulary.json does")
    train(vocabulary, options.out, options.steps, options.batch, options.captions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
