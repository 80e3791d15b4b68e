"""The table of `limelight vocabulary`."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import UsageError
from pipeline.locate import locate_model
from pipeline.vocabulary import Vocabulary


def show_vocabulary(model: str) -> None:
    """Prints a model's words, group by group.

    Raises:
        UsageError: the model lists none.
    """
    known = Vocabulary.read(locate_model(model))
    if known is None:
        raise UsageError(f"{model!r} lists no words; large models know most of a language")
    table = Table(show_header=False, box=None, padding=(0, 2, 1, 0))
    for name, words in known.groups.items():
        table.add_row(Text(name, style="bold"), Text(", ".join(words)))
    Console().print(table)
