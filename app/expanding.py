"""Expands a prompt for the command line, and says what was added."""

from limelight.app import report
from limelight.pipeline.models.locate import locate_model
from limelight.pipeline.requests.expansion import Expansion
from limelight.pipeline.text.expander import Expander
from limelight.pipeline.text.vocabulary import Vocabulary


def expand(prompt: str, *, seed: int, expander: str, model: str) -> Expansion:
    """What a language model adds to the prompt of a picture that `model` draws.

    Raises:
        UsageError: one of the models cannot be had.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()  # of a load that takes a moment
    folder = locate_model(model)
    known = Vocabulary.read(folder) if folder.is_dir() else None
    expansion = Expander.from_pretrained(expander, vocabulary=known).expand(prompt, seed=seed)
    if expansion.added:
        report.say(f"prompt: {expansion.text}")
    else:
        report.say(f"prompt: {expansion.text}  (nothing was added)")
    return expansion
