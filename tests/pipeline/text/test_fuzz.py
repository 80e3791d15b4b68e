"""2,000 prompts of every kind, in both syntaxes."""

import random
import time
import warnings
from pathlib import Path

import pytest

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.segments import word_spans
from limelight.pipeline.text.encoder import words_of
from limelight.pipeline.text.warned import PromptWarning

PIECES = (
    "a", "red", " apple", "(", ")", "[", "]", ":", "1.3", ":-1)", ":99)", ":1e999)", "nan", "|", "\\", "\\(",
    "BREAK", " BREAK ", "AND", "<lora:x:0.8>", "<lyco:", "<hypernet:y:1>", ">", "<", ",", " ", "\n", "\t",
    "🍎", "👩🏽‍🚀", "🇩🇪", "红色", "リンゴ", "นก", "e\u0301", "é", "\u0301", "\u200d", "\ufe0f", "\0",
    "\x1b[2J", "'", "-", "_", "1️⃣", "ﷺ", "ß", "٣", "\u202e", "x" * 80, "9" * 50, "word " * 20, "(((", ")))",
    "[a:b:0.5]", "[a|b]", "\U000e0041", "\ud7ff",
)  # fmt: skip


@pytest.mark.slow
def test_2000_prompts_give_tokens_of_their_own_words_and_take_no_long_time(sd_folder: Path) -> None:
    text = TextToImagePipeline.from_pretrained(sd_folder, device="cpu").model.text
    chance, longest = random.Random(2000), 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptWarning)
        for i in range(2000):
            size = 2000 if i % 100 == 0 else 30
            prompt = "".join(chance.choices(PIECES, k=chance.randrange(size)))[:20_000]
            syntax = ("limelight", "a1111")[i % 2]
            began = time.process_time()
            encoded = text.prompt(prompt, syntax=syntax)
            words, said = words_of(prompt, encoded.tokens), text.said_of(prompt, syntax)
            longest = max(longest, time.process_time() - began)
            assert encoded.context.isfinite().all(), prompt
            assert len(encoded.tokens) == len(encoded.context) <= 8 * 77
            assert all(0 <= a <= b <= len(prompt) for a, b in (token.span for token in encoded.tokens))
            assert len(words) <= len(word_spans(prompt))
            assert all(len(remark) < 400 for remark in said if "without effect" not in remark)
    assert longest < 2
