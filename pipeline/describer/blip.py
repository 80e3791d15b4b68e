"""A BLIP as a describer: a caption word by word, or the answer to a question, and where each word looked.

Source: Li et al. 2022, "BLIP: Bootstrapping Language-Image Pre-training", arXiv:2201.12086.
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limelight.pipeline.describer.blip_folder import read_blip
from limelight.pipeline.describer.decoder import Decoder, Written, encode, write
from limelight.pipeline.describer.description import (
    Answer,
    Describer,
    Description,
    NotAQuestion,
    Picture,
    SeenWord,
)
from limelight.pipeline.describer.pixels import Preprocessing
from limelight.pipeline.describer.seen import seen_words, spans_of
from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.input_image import InputImage

MAX_TOKENS = 30  # of a caption or an answer; BLIP's own captions have at most 30
WHAT = "what is in the picture?"  # a BLIP for questions is asked, where a description is wanted


class BlipDescriber(Describer):
    """Describes with a `BlipForConditionalGeneration`, and answers with a `BlipForQuestionAnswering`.

    The likeliest token is taken, so equal pictures get equal words. A word's map is the mean over heads and
    layers of the cross-attention that chose it, and over the word's tokens. The class token of the vision
    tower has no position and is left out, so a map sums to less than 1.

    Args:
        model: in evaluation, with the attention of `adopt`.
        name, hash: as in `Describer`.
    """

    def __init__(
        self, model: Any, tokenizer: Any, preprocessing: Preprocessing, *, name: str, hash: str
    ) -> None:
        self.model, self.tokenizer, self.preprocessing = model, tokenizer, preprocessing
        self.name, self.hash = name, hash

    @classmethod
    def from_pretrained(
        cls,
        folder: Path,
        *,
        name: str | None = None,
        device: str | torch.device = "cpu",
        backend: str | None = None,
    ) -> "BlipDescriber":
        """A BLIP in a folder as transformers saves it.

        Args:
            name: as the model was asked for; None takes the folder's.
            backend: of all attention; None chooses one for each call.

        Raises:
            ModelError: the folder holds no BLIP that writes.
            UnknownBackend: no backend has that name.
        """
        blip = read_blip(folder, backend=backend)
        model = blip.model.to(device)
        return cls(model, blip.tokenizer, blip.preprocessing, name=name or str(folder), hash=blip.hash)

    @property
    def answers(self) -> bool:
        """Whether it answers questions; else it writes captions."""
        return hasattr(self.model, "text_encoder")

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the maps, in patches."""
        height, width = self.preprocessing.size
        patch = self.model.config.vision_config.patch_size
        return height // patch, width // patch

    def describe(self, picture: Picture) -> Description:
        """A caption of the picture. A BLIP for questions is asked what is in the picture."""
        if self.answers:
            answer = self.ask(picture, WHAT)
            return Description(answer.text, answer.words)
        with torch.inference_mode():
            written = self._written(self._seen(picture))
            return Description(*self._words(written, self._maps(written.looks)))

    def ask(self, picture: Picture, question: str) -> Answer:
        """The answer to a question. Its words look at words of the question, and so at what those look at.

        Raises:
            RequestError: the picture cannot be read, or the model writes captions only.
            NotAQuestion: the question is empty or too long.
        """
        if not self.answers:
            raise RequestError(
                f"{self.name} writes captions and answers no questions; questions need a BLIP folder of "
                "BlipForQuestionAnswering"
            )
        ids, spans = self._question(question)
        with torch.inference_mode():
            seen = self._seen(picture)
            read, looks = encode(self.model.text_encoder, ids, seen)
            written = self._written(read)
            asked = self._maps(looks)
            of_answer = (written.looks.cpu() @ asked.flatten(1)).unflatten(-1, self.grid)
            text, words = self._words(written, of_answer)
        return Answer(question, text, seen_words(question, spans, asked), words)

    def _seen(self, picture: Picture) -> Float[Tensor, "1 m c"]:
        """The vision tower's output: the class token, then the patches by rows."""
        image = InputImage.read("picture", picture, "RGB").pixels
        pixels = self.preprocessing(image).to(self.model.device)
        side = self.model.config.vision_config.image_size
        is_other = self.preprocessing.size != (side, side)
        return self.model.vision_model(pixels, interpolate_pos_encoding=is_other).last_hidden_state

    def _question(self, question: str) -> tuple[Int[Tensor, "1 n"], list[tuple[int, int]]]:
        """The tokens of a question, and the characters of each."""
        if not question.strip():
            raise NotAQuestion(
                f"the question is {question!r}; ask, for example, {WHAT!r} or 'how many dogs are there?'"
            )
        read = self.tokenizer(question, return_offsets_mapping=True)
        ids, limit = read["input_ids"], self.model.config.text_config.max_position_embeddings
        if len(ids) > limit:
            raise NotAQuestion(f"the question has {len(ids)} tokens; {self.name} reads at most {limit}")
        return torch.tensor([ids], device=self.model.device), list(read["offset_mapping"])

    def _written(self, read: Float[Tensor, "1 m c"]) -> Written:
        config = self.model.config.text_config
        return write(
            Decoder(self.model.text_decoder, read),
            first=config.bos_token_id,
            end=config.sep_token_id,
            max_tokens=min(MAX_TOKENS, config.max_position_embeddings),
        )

    def _words(self, written: Written, maps: Float[Tensor, "n h w"]) -> tuple[str, tuple[SeenWord, ...]]:
        """The text of tokens, and its words."""
        text = self.tokenizer.decode(written.ids, skip_special_tokens=True).strip()
        special = set(self.tokenizer.all_special_ids)
        pieces = ["" if id in special else self.tokenizer.decode([id]) for id in written.ids]
        return text, seen_words(text, spans_of(text, pieces), maps)

    def _maps(self, looks: Float[Tensor, "n m"]) -> Float[Tensor, "n h w"]:
        """Probabilities of positions as maps on the grid of patches."""
        return looks[:, 1:].cpu().unflatten(-1, self.grid)
