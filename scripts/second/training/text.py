"""CLIP's text model with the tokenizer of this world, and what each token of a caption names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from scripts.second.training.config import TextConfig
from scripts.second.world.captions import NOTHING, Caption


@dataclass(frozen=True)
class Tokens:
    """`ids` padded as diffusers pads; `names[b, m]` what token m names (`scripts.second.world.captions`), for
    the start, the end and the padding `NOTHING`; `heads[b, t]` the last token of thing t's noun, -1 where
    there is none; `ends[b]` the end token."""

    ids: Int[Tensor, "b m"]
    names: Int[Tensor, "b m"]
    heads: Int[Tensor, "b t"]
    ends: Int[Tensor, " b"]


class TextSide:
    """Tokenizer and text encoder; each word is tokenized once."""

    def __init__(self, config: TextConfig, tokenizer_folder: Path, device: str = "cpu"):
        self.tokenizer = CLIPTokenizer.from_pretrained(tokenizer_folder)
        self.device, self.length = device, self.tokenizer.model_max_length
        self._pieces: dict[str, list[int]] = {}
        self.encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(self.tokenizer),
                hidden_size=config.width,
                intermediate_size=4 * config.width,
                projection_dim=config.width,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                max_position_embeddings=self.length,
                bos_token_id=self.tokenizer.bos_token_id,
                eos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        ).to(device)
        self.encoder.set_attn_implementation("eager")  # the flash kernel's backward pass is slow on a CPU

    def pieces(self, word: str) -> list[int]:
        """The tokens of one word of a caption."""
        if word not in self._pieces:
            self._pieces[word] = self.tokenizer(word, add_special_tokens=False).input_ids
        return self._pieces[word]

    def tokens(self, captions: Sequence[Caption], things: int = 3) -> Tokens:
        """The tokens of captions.

        Raises:
            ValueError: a caption is longer than the encoder; the world's captions never are.
        """
        shape = (len(captions), self.length)
        ids = torch.full(shape, self.tokenizer.pad_token_id)
        names = torch.full(shape, NOTHING)
        heads, ends = torch.full((len(captions), things), -1), torch.zeros(len(captions), dtype=torch.long)
        for row, caption in enumerate(captions):
            tokens, named = [self.tokenizer.bos_token_id], [NOTHING]
            for index, (word, name) in enumerate(zip(caption.words, caption.names, strict=True)):
                pieces = self.pieces(word)
                tokens += pieces
                named += [name] * len(pieces)
                if index in caption.heads:
                    heads[row, caption.heads.index(index)] = len(tokens) - 1
            if len(tokens) >= self.length:
                raise ValueError(f"{caption.text!r} has {len(tokens)} tokens; at most {self.length - 1} fit")
            ends[row] = len(tokens)
            ids[row, : len(tokens) + 1] = torch.tensor([*tokens, self.tokenizer.eos_token_id])
            names[row, : len(tokens)] = torch.tensor(named)
        return Tokens(*(part.to(self.device) for part in (ids, names, heads, ends)))

    def ids(self, texts: list[str]) -> Int[Tensor, "b m"]:
        """Token ids of plain texts."""
        rows = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        return rows.input_ids.to(self.device)

    @torch.no_grad()
    def encode(self, texts: list[str]) -> Float[Tensor, "b m c"]:
        """Embeddings of plain texts, as the pipeline computes them."""
        return self.encoder(self.ids(texts)).last_hidden_state
