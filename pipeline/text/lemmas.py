"""Which words have one meaning, by a small rule for English: no synonyms, and no dictionary."""

from limelight.pipeline.segments import spelled

_PLURALS = (
    "bus/buses calf/calves child/children echo/echoes elf/elves foot/feet goose/geese half/halves "
    "hero/heroes hoof/hooves knife/knives leaf/leaves lens/lenses life/lives loaf/loaves man/men "
    "mango/mangoes mouse/mice ox/oxen person/people potato/potatoes scarf/scarves shelf/shelves "
    "thief/thieves tomato/tomatoes tooth/teeth tornado/tornadoes volcano/volcanoes wife/wives wolf/wolves "
    "woman/women"
)
_SPELLINGS = (
    "airplane/aeroplane armor/armour ax/axe center/centre color/colour colored/coloured "
    "colorful/colourful donut/doughnut favorite/favourite fiber/fibre flavor/flavour gray/grey "
    "grayish/greyish harbor/harbour jewelry/jewellery mold/mould mustache/moustache neighbor/neighbour "
    "pajama/pyjama plow/plough theater/theatre tire/tyre yogurt/yoghurt"
)


def _table(pairs: str) -> dict[str, str]:
    """Both forms of each pair -> the first."""
    split = [pair.split("/") for pair in pairs.split()]
    return {form: pair[0] for pair in split for form in pair}


SINGULAR, SPELLING = _table(_PLURALS), _table(_SPELLINGS)


def lemma(word: str) -> str:
    """A form that is equal for a word in any case, in singular and plural, with and without 's, and in
    British and American spelling. It need not be a word: `cookies` and `cookie` are `cooky`."""
    form = _owner(word)
    form = SINGULAR[form] if form in SINGULAR else _singular(form)
    return SPELLING.get(form, form)


def is_plural(word: str) -> bool:
    """Whether a word names several things, by its ending or the table of exceptions; `fish` does not."""
    form = _owner(word)
    return SINGULAR.get(form, form) != form or (form.endswith("s") and form != _singular(form))


def _owner(word: str) -> str:
    return spelled(word).replace("\u2019", "'").removesuffix("'s")


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith(("ies", "ie")):
        return word.removesuffix("s").removesuffix("ie") + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
