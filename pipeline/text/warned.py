"""Warnings about prompts. Their messages quote the prompt."""


class PromptWarning(UserWarning):
    """Something in a prompt is not drawn."""


class PromptSyntax(PromptWarning):
    """Syntax in a prompt has no effect; the message says what, where, and what to do instead."""


class PromptCut(PromptWarning):
    """A prompt is too long; the message quotes the words without effect."""


class UnknownWords(PromptWarning):
    """A prompt has words that the model was not trained on; the message names them and similar ones."""
