"""Words of a prompt that a small model was not trained on."""

from limelight.app.ui.studio.job import Ticket
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline.segments import words_in
from limelight.pipeline.text.near import Offer
from limelight.pipeline.text.syntax import parse


def unknown_words(studio: Studio, ticket: Ticket) -> tuple[str, ...]:
    """Those words, each once; none where the model does not list its words. Weights are no words."""
    vocabulary = studio.pipelines[ticket.model].model.vocabulary
    return () if vocabulary is None else vocabulary.unknown(_typed(ticket))


def near_words(studio: Studio, ticket: Ticket) -> tuple[Offer, ...]:
    """The same words and phrases of them, with what the model knows instead."""
    vocabulary = studio.pipelines[ticket.model].model.vocabulary
    return () if vocabulary is None else vocabulary.offers(_typed(ticket))


def _typed(ticket: Ticket) -> list[str]:
    parts = parse(ticket.request.prompt)
    return [
        word for part in parts for start, end in part.stretches() for word in words_in(part.text[start:end])
    ]
