"""What is warned of in a prompt. The messages hold its words."""


class PromptWarning(UserWarning):
    """Something in a prompt is not drawn as it says."""


class PromptSyntax(PromptWarning):
    """Something in a prompt is not acted on; the message says what, where, and what to do instead."""


class PromptCut(PromptWarning):
    """A prompt is longer than what is read; the message names the words that have no effect."""


class UnknownWords(PromptWarning):
    """A prompt has words that the model was never trained on; the message names them and near ones."""
