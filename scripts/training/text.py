"""The text side: CLIP's text model on the world's tokenizer, and where the nouns of a caption are."""

from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from scripts.training.config import TrainConfig
from scripts.world.vocabulary import NOUNS


class TextSide:
    """Tokenizer and encoder, padded as diffusers pads."""

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
        self._nouns = [
            (self._pieces(word), index)
            for index, noun in enumerate(NOUNS)
            for word in {noun.word, noun.plural}
        ]

    def _pieces(self, word: str) -> list[int]:
        return self.tokenizer(word, add_special_tokens=False).input_ids

    def ids(self, captions: list[str], *, full: bool = True) -> Int[Tensor, "b m"]:
        """Token ids; `full` pads to the model's length, else to the longest caption (the encoder is
        causal)."""
        padding = "max_length" if full else "longest"
        rows = self.tokenizer(captions, padding=padding, truncation=True, return_tensors="pt")
        return rows.input_ids.to(self.device)

    def noun_positions(self, ids: Int[Tensor, "b m"]) -> list[list[tuple[int, int]]]:
        """For every caption (position of a noun's last token, index of the noun), in order."""
        found = []
        for row in ids.tolist():
            hits = {}
            for pieces, noun in self._nouns:
                for start in range(len(row) - len(pieces) + 1):
                    if row[start : start + len(pieces)] == pieces:
                        hits[start + len(pieces) - 1] = noun
            found.append(sorted(hits.items()))
        return found

    def encode(self, captions: list[str]) -> Tensor:
        """Embeddings (b, m, c) of captions, as the pipeline computes them."""
        with torch.no_grad():
            return self.encoder(self.ids(captions)).last_hidden_state
