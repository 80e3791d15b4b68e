"""`--expand`: a language model extends the prompt."""

from limelight.app import report
from limelight.pipeline.requests.expansion import Expansion


def expanded(prompt: str, seed: int, expander: str, model: str) -> Expansion:
    """The prompt for a picture by `model`, extended by a language model.

    Raises:
        UsageError: one of the models cannot be loaded.
    """
    from transformers.utils import logging

    from limelight.pipeline.models.locate import locate_model
    from limelight.pipeline.text.expander import Expander
    from limelight.pipeline.text.vocabulary import Vocabulary

    logging.disable_progress_bar()  # loading is fast
    folder = locate_model(model)
    known = Vocabulary.read(folder) if folder.is_dir() else None
    expansion = Expander.from_pretrained(expander, vocabulary=known).expand(prompt, seed=seed)
    report.say(f"prompt: {expansion.text}" + ("" if expansion.added else "  (nothing was added)"))
    return expansion
