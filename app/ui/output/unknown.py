"""Words of a prompt that a small model was not trained on."""

from limelight.app.ui.studio.job import Ticket
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline.segments import words_in
from limelight.pipeline.text.syntax import parse


def unknown_words(studio: Studio, ticket: Ticket) -> tuple[str, ...]:
    """Those words, each once; none where the model does not list its words. Weights are no words."""
    vocabulary = studio.pipelines[ticket.model].model.vocabulary
    if vocabulary is None:
        return ()
    parts = parse(ticket.request.prompt)
    return vocabulary.unknown(
        word for part in parts for start, end in part.stretches() for word in words_in(part.text[start:end])
    )
