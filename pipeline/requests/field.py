"""An entry in the table of request fields."""

from dataclasses import KW_ONLY, dataclass

from limelight.pipeline.requests.values import Value


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request, as the command line, manifests, the page and records know it.

    Attributes:
        label: on the page.
        help: half a sentence, which limits may follow.
        option: on the command line; fields that share one are its values, in order; empty for none.
        alias: another name of the option, which people know from elsewhere.
        needs: the field without which this one is refused.
        is_offered: whether a stranger may set it: a visitor of the page, a program that asks its API, or the
            record in a PNG from anywhere. No file is opened, and no model loaded, by such a field.
        is_off_at_0: whether 0 means None in a control that cannot be empty.
        a1111: its name in AUTOMATIC1111's text.
        diffusers: its name in diffusers, where it is another.
    """

    value: Value
    label: str
    help: str
    _: KW_ONLY
    option: str = ""
    alias: str = ""
    needs: str = ""
    is_offered: bool = False
    is_off_at_0: bool = False
    a1111: str = ""
    diffusers: str = ""
