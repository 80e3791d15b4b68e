"""Questions about places, times, weather, materials and clothes, in addition to those of the first world."""

import numpy as np

from limelight.pipeline.describer.vocabulary import Words
from scripts.describer import questions
from scripts.describer.captions import phrase, plain, where
from scripts.describer.questions import Asked, Kinds, named, with_absent
from scripts.describer.view import View

UNSEEN = "it does not show"
NOT_CAST = "no special material"


def where_is_this(view: View, rng: np.random.Generator, words: Words) -> Asked:
    return plain("where is this"), where(view, words)


def is_it_at(view: View, rng: np.random.Generator, words: Words) -> Asked:
    """Whether the picture shows a place."""
    place = str(rng.choice(list(words.places)))
    if view.place is not None and rng.random() < 0.5:
        place = view.place
    is_here = place == view.place
    asked = [(word, "ground" if is_here and word == place else None) for word in words.places[place].split()]
    return [*plain("is it"), *asked], [("yes", "ground") if is_here else ("no", None)]


def what_time(view: View, rng: np.random.Generator, words: Words) -> Asked:
    return plain("what time is it"), plain(view.time or UNSEEN)


def is_it_time(view: View, rng: np.random.Generator, words: Words) -> Asked:
    time = str(rng.choice(list(words.times)))
    if view.time is not None and rng.random() < 0.4:
        time = view.time
    answer = UNSEEN if view.time is None else "yes" if time == view.time else "no"
    return plain(f"is it {time}"), plain(answer)


def what_weather(view: View, rng: np.random.Generator, words: Words) -> Asked:
    return plain("what is the weather"), plain(view.weather or ("dry" if view.time is not None else UNSEEN))


def is_it_falling(view: View, rng: np.random.Generator, words: Words) -> Asked:
    weather = str(rng.choice(list(words.weathers)))
    answer = UNSEEN if view.time is None else "yes" if weather == view.weather else "no"
    return plain(f"is it {weather}ing"), plain(answer)


def made_of(view: View, rng: np.random.Generator, words: Words) -> Asked:
    cast = [thing for thing in view.things if thing.noun and thing.material]
    thing = cast[0] if cast and rng.random() < 0.6 else named(view, rng)
    if thing is None or rng.random() < 0.07:
        noun_asked, _ = with_absent(view, rng, words, "what is the", "made of")
        return noun_asked, plain(f"there is no {noun_asked[3][0]}")
    question = [*plain("what is the"), (thing.noun or "", thing.slots), *plain("made of")]
    if thing.material is None:
        return question, plain(NOT_CAST)
    return question, [(words.materials[thing.material], thing.slots)]


def wears(view: View, rng: np.random.Generator, words: Words) -> Asked:
    thing = named(view, rng)
    if thing is None:
        return where_is_this(view, rng, words)
    worn = view.things[1] if view.relation == "wearing" else None
    if worn is not None and view.things[0].noun:
        thing = view.things[0]
    question = [*plain("what is the"), (thing.noun or "", thing.slots), ("wearing", thing.slots)]
    return question, phrase(worn, words) if worn and thing is view.things[0] else plain("nothing")


KINDS: Kinds = (
    *((share, kind) for share, kind in questions.KINDS),
    (0.08, where_is_this),
    (0.06, is_it_at),
    (0.05, what_time),
    (0.05, is_it_time),
    (0.05, what_weather),
    (0.03, is_it_falling),
    (0.06, made_of),
    (0.03, wears),
)
