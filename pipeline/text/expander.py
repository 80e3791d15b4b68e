"""Extends short prompts with a causal language model."""

import os
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limelight.attention.adapters.cache import transformers_cache
from limelight.attention.adapters.for_transformers import register_with_transformers
from limelight.attention.caches.decoding import KVCache
from limelight.files import UnreadableFile, require_regular_files
from limelight.pipeline.errors import ModelError, UnknownName
from limelight.pipeline.hub import HUB_ID, TRANSFORMERS, from_hub
from limelight.pipeline.requests.expansion import Expansion
from limelight.pipeline.segments import word_spans
from limelight.pipeline.text.syntax import parse
from limelight.pipeline.text.vocabulary import Vocabulary
from limelight.unet.weights.tensors import content_hash

DEFAULT_EXPANDER = Path(__file__).parents[1] / "default_expander"
MAX_NEW_TOKENS = 40
TEMPERATURE = 0.9
TOP_P = 0.9


class Expander:
    """A causal language model that continues prompts token by token, with cached keys and values.

    Args:
        name: name of the language model, for the record.
        hash: hash of the content of its weights.
        vocabulary: the words that the image model knows, if it lists them; no others are added.
    """

    def __init__(
        self, model: Any, tokenizer: Any, *, name: str, hash: str, vocabulary: Vocabulary | None = None
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self.hash = hash
        self.vocabulary = vocabulary

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] = "default",
        *,
        vocabulary: Vocabulary | None = None,
        device: str | torch.device = "cpu",
    ) -> "Expander":
        """The bundled language model, one in a folder as transformers saves it, or one of the hub.

        Raises:
            UnknownName: the name is none of these.
            ModelError: the model cannot be loaded or downloaded.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = _locate(name)
        weights = sorted(folder.glob("*.safetensors"))
        if not weights:
            raise ModelError(
                f"{folder} has no .safetensors file; a language model as transformers saves it has"
            )
        try:
            require_regular_files(folder)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
        except UnreadableFile as error:
            raise ModelError(str(error)) from None
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder} holds no causal language model: {error}") from None
        # A model with attention code of its own, such as Falcon, keeps it.
        model.set_attn_implementation(register_with_transformers())
        model = model.to(device).eval()
        return cls(model, tokenizer, name=str(name), hash=content_hash(weights), vocabulary=vocabulary)

    def knowing(self, vocabulary: Vocabulary | None) -> "Expander":
        """The same language model for an image model that knows these words."""
        return Expander(self.model, self.tokenizer, name=self.name, hash=self.hash, vocabulary=vocabulary)

    @torch.inference_mode()
    def expand(self, prompt: str, *, seed: int) -> Expansion:
        """Continues a prompt, which itself does not change. The same seed adds the same words."""
        read = (part.text[start:end] for part in parse(prompt) for start, end in part.stretches())
        plain = " ".join(" ".join(read).split())
        ids = self._ids(plain)
        begun = len(self.tokenizer.decode(ids, skip_special_tokens=True))
        written = self.tokenizer.decode([*ids, *self._written(ids, seed)], skip_special_tokens=True)
        added = self._known(written[begun:].split("\n")[0].rstrip())
        if not word_spans(added):
            added = ""
        elif prompt.endswith(" "):
            added = added.lstrip()
        elif plain and ids[-1] in self.tokenizer.all_special_ids and added[0].isalnum():
            added = f" {added}"  # after a word without a token, the model begins a new word
        return Expansion(typed=prompt, added=added, seed=seed, model=self.name, hash=self.hash)

    def _ids(self, text: str) -> list[int]:
        """The ids of the prompt, after the token that begins a text, if there is one."""
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        first = self.tokenizer.bos_token_id
        return [*([] if first is None else [first]), *ids] or [self.tokenizer.eos_token_id]

    def _written(self, ids: list[int], seed: int) -> list[int]:
        """The next tokens, until the model ends its text or has written enough."""
        generator = torch.Generator("cpu").manual_seed(seed)
        num_layers = self.model.config.get_text_config().num_hidden_layers
        cache = transformers_cache(KVCache(), num_layers)
        # transformers renames the argument between versions that are both supported.
        argument = "cache" if "cache" in signature(self.model.forward).parameters else "past_key_values"
        banned = [id for id in self.tokenizer.all_special_ids if id != self.tokenizer.eos_token_id]
        written: list[int] = []
        new = torch.tensor([ids], device=self.model.device)
        while len(written) < MAX_NEW_TOKENS:
            logits = self.model(new, **{argument: cache}, use_cache=True).logits[0, -1].float().cpu()
            logits[banned] = -torch.inf
            id = int(torch.multinomial(likely(logits), 1, generator=generator))
            if id == self.tokenizer.eos_token_id:
                break
            written.append(id)
            new = torch.tensor([[id]], device=self.model.device)
        return written

    def _known(self, added: str) -> str:
        """The text up to the first word that the image model does not know."""
        if self.vocabulary is None:
            return added
        for start, end in word_spans(added):
            if self.vocabulary.unknown([added[start:end]]):
                return added[:start].rstrip()
        return added


def likely(logits: Tensor) -> Tensor:
    """Probabilities of the most likely tokens that sum to `TOP_P`; those of all others are 0.

    Source: Holtzman et al. 2020, arXiv:1904.09751, section 3.1.
    """
    ordered, places = (logits / TEMPERATURE).softmax(-1).sort(descending=True)
    ordered[ordered.cumsum(-1) - ordered > TOP_P] = 0
    return torch.zeros_like(ordered).scatter_(0, places, ordered)


def _locate(name: str | os.PathLike[str]) -> Path:
    if name == "default":
        return DEFAULT_EXPANDER
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if HUB_ID.fullmatch(str(name)):
        return from_hub(str(name), TRANSFORMERS)
    raise UnknownName("language model", str(name), ["default", "a folder", "a hub id owner/name"])
