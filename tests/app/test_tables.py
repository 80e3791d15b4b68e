"""What `limelight vocabulary WORDS` says."""

import pytest

from limelight.app.tables import look_up

FAMILY = "👨\u200d👩\u200d👧"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("apple", "apple: known"),
        ("puppy", "puppy: not known (near: dog)"),
        ("Puppy ", "Puppy : not known (near: dog)"),
        ("qqqqqq", "qqqqqq: not known"),
        (FAMILY, f"{FAMILY}: not known"),
        ("a puppy", "a puppy: not known: 'puppy' (near: dog)"),
        ("(puppy:1.3)", "(puppy:1.3): not known: 'puppy' (near: dog)"),
        ("(red:1.3) car", "(red:1.3) car: known"),
        ("a car BREAK a cat", "a car BREAK a cat: known"),
        ("", "'': no word"),
        ("  ", "'  ': no word"),
        ("\u200d", r"'\u200d': no word"),
        ("BREAK", "'BREAK': no word"),
    ],
)
def test_a_text_is_looked_up_as_a_prompt(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    look_up([typed], "default")
    assert capsys.readouterr().out == f"{said}\n"
