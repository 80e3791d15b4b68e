"""CLIP's text model with the tokenizer of this world, and the positions of the nouns in a caption."""

from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from scripts.training.config import TrainConfig
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, NOUNS


class Words:
    """Words of one kind, each with an index, that can be found among tokens."""

    def __init__(self, pieces: list[tuple[list[int], int]]):
        self._pieces = pieces

    def find(self, tokens: list[int]) -> list[tuple[slice, int]]:
        """(tokens of the word, index of the word) for every such word in the ids, in order."""
        hits = {}
        for pieces, index in self._pieces:
            for start in range(len(tokens) - len(pieces) + 1):
                if tokens[start : start + len(pieces)] == pieces:
                    hits[start + len(pieces)] = (slice(start, start + len(pieces)), index)
        return [hits[end] for end in sorted(hits)]


class TextSide:
    """Tokenizer and text encoder; captions are padded as in diffusers."""

    def __init__(self, config: TrainConfig, tokenizer_folder: Path, device: str = "cpu"):
        self.tokenizer = CLIPTokenizer.from_pretrained(tokenizer_folder)
        self.device = device
        self.encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(self.tokenizer),
                hidden_size=config.text.width,
                intermediate_size=4 * config.text.width,
                projection_dim=config.text.width,
                num_hidden_layers=config.text.layers,
                num_attention_heads=config.text.heads,
                max_position_embeddings=self.tokenizer.model_max_length,
                bos_token_id=self.tokenizer.bos_token_id,
                eos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        ).to(device)
        self.nouns = self._words([(noun.word, noun.plural) for noun in NOUNS])
        self.colours = self._words([(name,) for name in COLOURS])
        self.grounds = self._words([(name,) for name in BACKGROUNDS])

    def _words(self, forms: list[tuple[str, ...]]) -> Words:
        return Words(
            [
                (self.tokenizer(word, add_special_tokens=False).input_ids, index)
                for index, equal in enumerate(forms)
                for word in set(equal)
            ]
        )

    def ids(self, captions: list[str], *, full: bool = True) -> Int[Tensor, "b m"]:
        """Token ids; `full` pads to the model's length, else to the longest caption (the encoder is
        causal)."""
        padding = "max_length" if full else "longest"
        rows = self.tokenizer(captions, padding=padding, truncation=True, return_tensors="pt")
        return rows.input_ids.to(self.device)

    def noun_positions(self, ids: Int[Tensor, "b m"]) -> list[list[tuple[int, int]]]:
        """For every caption a list of (position of a noun's last token, index of the noun), in order."""
        return [[(span.stop - 1, noun) for span, noun in self.nouns.find(row)] for row in ids.tolist()]

    def encode(self, captions: list[str]) -> Tensor:
        """Embeddings (b, m, c) of captions, as the pipeline computes them."""
        with torch.no_grad():
            return self.encoder(self.ids(captions)).last_hidden_state
