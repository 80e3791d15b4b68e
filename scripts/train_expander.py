"""Trains the small language model that expands prompts: `python -m scripts.train_expander`.

It learns to continue captions of the world's scenes. All words that it does not know are one token, <unk>,
which replaces the noun in some of the captions.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from limelight.pipeline.models.locate import locate_model
from limelight.pipeline.text.vocabulary import Vocabulary
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


def captions(tokenizer: PreTrainedTokenizerFast, count: int, rng: np.random.Generator) -> Tensor:
    """Captions as ids, count n, padded at the end; the default model knows all their words."""
    mixture, rows = Mixture(), []
    nouns = set(
        tokenizer.convert_tokens_to_ids([word for noun in NOUNS for word in (noun.word, noun.plural)])
    )
    while len(rows) < count:
        ids = tokenizer.encode(describe(sample_scene(rng, mixture), rng), add_special_tokens=False)
        if tokenizer.unk_token_id in ids or len(ids) > MAX_TOKENS - 2:
            continue
        if rng.random() < UNKNOWN_NOUNS:
            first = next(place for place, id in enumerate(ids) if id in nouns)
            ids[first] = tokenizer.unk_token_id
        row = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
        rows.append(row + [tokenizer.pad_token_id] * (MAX_TOKENS - len(row)))
    return torch.tensor(rows)


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


def train(num_steps: int, batch: int, num_captions: int) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    vocabulary = Vocabulary.read(locate_model("default"))
    assert vocabulary is not None  # the default model lists its words
    tokenizer = tokenizer_of(vocabulary)
    data, held = captions(tokenizer, num_captions, rng), captions(tokenizer, 1000, rng)
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
        model,
        tokenizer,
        {"num_steps": num_steps, "captions": num_captions, "held_out_loss": round(of_held, 3)},
    )


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, card: dict[str, object]) -> None:
    """Replaces the shipped folder by this model."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    model.half().save_pretrained(FOLDER)
    tokenizer.save_pretrained(FOLDER)
    (FOLDER / "README.md").write_text(
        "# The language model that expands prompts\n\nA small Llama with grouped-query attention, trained by "
        "`python -m scripts.train_expander` on captions\nof the world's scenes. Apache-2.0, as the rest of "
        f"the repository.\n\n    {json.dumps(card)}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--captions", type=int, default=30_000)
    arguments = parser.parse_args()
    train(arguments.steps, arguments.batch, arguments.captions)
