"""CLIP's tokenizer that comes with Limelight: the same ids as OpenAI's."""

import pytest

from limelight.pipeline.models.single_file.tokenizer import NUM_TOKENS, clip_tokenizer


def test_known_numbers() -> None:
    tokenizer = clip_tokenizer()
    assert len(tokenizer) == NUM_TOKENS
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer("hello world!").input_ids == [49406, 3306, 1002, 256, 49407]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (49406, 49407)
    assert tokenizer.model_max_length == 77


@pytest.mark.parametrize(("pad", "number"), [("<|endoftext|>", 49407), ("!", 0)])
def test_padding(pad: str, number: int) -> None:
    assert clip_tokenizer(pad_token=pad).pad_token_id == number
