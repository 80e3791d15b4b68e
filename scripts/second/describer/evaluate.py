"""Scores the describer of the second world: `python -m scripts.second.describer.evaluate --model FOLDER`.

Captions (each kind of atom), answers (each kind of question) and maps on composed scenes whose combinations
training did not show or did show, art that has no word, pictures of other worlds, and its speed. With
`--drawer FOLDER` it is compared with the judge on pictures that a model draws.
"""

from scripts.describer.evaluate import (
    SEED,
    new_parser,
    score,
    score_answers,
    score_captions,
    score_maps,
    score_strangers,
    score_time,
    score_unnamed,
)
from scripts.second.describer.drawn import add_options, score_drawn
from scripts.second.describer.gallery import Gallery
from scripts.second.describer.train import WORLD

PARTS = {
    "captions": score_captions,
    "answers": score_answers,
    "maps": score_maps,
    "unnamed": score_unnamed,
    "strangers": score_strangers,
    "drawn": score_drawn,
    "time": score_time,
}


def main() -> None:
    parser = new_parser(__doc__, PARTS)
    add_options(parser)
    arguments = parser.parse_args()
    score(Gallery(WORLD, SEED, held_out=True, pool=500), PARTS, arguments)


if __name__ == "__main__":
    main()
