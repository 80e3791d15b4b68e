"""Stage `text`: pretrains the text encoder on captions, without pictures. Of an inherited encoder only the
embeddings of new tokens are trained, so that old words still mean to the denoiser what they meant.

From a noun's last token linear readers must tell its thing's noun, colour, material, size,
pose and number, and how it stands to the first thing; from the end token the place, ground, time, weather,
style and which nouns there are. A denoiser learns sooner on such an encoder than on an untrained one
(docs/model.md).
"""

from random import Random

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from scripts.second.training.config import TrainConfig
from scripts.second.training.inherit import inherit_text
from scripts.second.training.text import TextSide, Tokens
from scripts.second.world.captions import describe
from scripts.second.world.nouns import NOUN_INDEX, NOUNS
from scripts.second.world.places import GROUNDS, PLACE_INDEX
from scripts.second.world.sampling import sample_scene
from scripts.second.world.scene import Scene, Thing
from scripts.second.world.vocabulary import (
    COLOURS,
    COUNTS,
    MATERIALS,
    POSES,
    RELATIONS,
    SIZES,
    STYLES,
    TIMES,
    WEATHERS,
)
from scripts.training.loop import Stage

HELD_OUT_STEP = 10**9
NONE = -100  # target of a question that does not apply
STANDS = (*RELATIONS, "between", "unsaid")
OF_THINGS = {
    "noun": len(NOUNS),
    "colour": len(COLOURS) + 1,
    "material": len(MATERIALS) + 1,
    "size": len(SIZES) + 1,
    "pose": len(POSES) + 1,
    "count": max(COUNTS),
    "stands": len(STANDS),
}
OF_SCENES = {
    "place": len(PLACE_INDEX) + len(GROUNDS) + 1,
    "time": len(TIMES),
    "weather": len(WEATHERS) + 1,
    "style": len(STYLES),
    "relation": len(STANDS),
}


class Readers(nn.Module):
    """Linear readers of the embeddings, used only in training."""

    def __init__(self, width: int):
        super().__init__()
        self.things = nn.ModuleDict({name: nn.Linear(width, size) for name, size in OF_THINGS.items()})
        self.scenes = nn.ModuleDict({name: nn.Linear(width, size) for name, size in OF_SCENES.items()})
        self.present = nn.Linear(width, len(NOUNS))


def text_stage(config: TrainConfig, text: TextSide) -> Stage:
    torch.manual_seed(config.seed)
    readers = Readers(config.text.width).to(text.device)
    embeddings = text.encoder.get_parameter("embeddings.token_embedding.weight")
    known = inherit_text(text, config.inherits) if config.inherits else []
    inherited = embeddings.detach()[known].clone()
    text.encoder.requires_grad_(not config.inherits)
    embeddings.requires_grad_(True)
    trained = [p for module in (text.encoder, readers) for p in module.parameters() if p.requires_grad]

    def answers(step: int) -> tuple[Tensor, Tensor]:
        rng = Random(f"{config.seed} text {step}")
        scenes = [sample_scene(rng, config.text.mixture) for _ in range(config.text.stage.batch)]
        tokens = text.tokens([describe(scene, rng) for scene in scenes])
        ids = tokens.ids[:, : int(tokens.ends.max()) + 1]  # a causal encoder needs no padding
        context = text.encoder(ids).last_hidden_state
        return reading_loss(readers, context, tokens, questions(scenes, text.device))

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        value, right = answers(step)
        return value, {"right": right.item()}

    @torch.no_grad()
    def report(step: int) -> dict[str, float]:
        value, right = answers(HELD_OUT_STEP)
        return {"held_out_loss": value.item(), "held_out_right": right.item()}

    @torch.no_grad()
    def after() -> None:
        embeddings[known] = inherited

    return Stage(
        name="text",
        config=config.text.stage,
        groups=[(trained, 1.0)],
        modules={"encoder": text.encoder, "readers": readers},
        loss=loss,
        report=report,
        after=after,
    )


def questions(scenes: list[Scene], device: str) -> dict[str, Tensor]:
    """The right answers: of things (b, 3), of scenes (b,), and which nouns are present (b, nouns)."""
    rows = [_of_scene(scene) for scene in scenes]
    things = {name: torch.full((len(scenes), 3), NONE) for name in OF_THINGS}
    present = torch.zeros(len(scenes), len(NOUNS))
    for row, scene in enumerate(scenes):
        for number, thing in enumerate(scene.things):
            for name, answer in _of_thing(thing, scene, number).items():
                things[name][row, number] = answer
            present[row, NOUN_INDEX[thing.noun]] = 1
    asked = {name: torch.tensor([row[name] for row in rows]) for name in OF_SCENES}
    return {name: values.to(device) for name, values in (things | asked | {"present": present}).items()}


def _of_thing(thing: Thing, scene: Scene, number: int) -> dict[str, int]:
    def among(values: object, value: str | None) -> int:
        names = tuple(values)  # type: ignore[call-overload]
        return names.index(value) if value else len(names)

    return {
        "noun": NOUN_INDEX[thing.noun],
        "colour": among(COLOURS, thing.colour),
        "material": among(MATERIALS, thing.material),
        "size": among(SIZES, thing.size),
        "pose": among(POSES, thing.pose),
        "count": thing.count - 1,
        "stands": NONE if number == 0 else STANDS.index(scene.relation or "unsaid"),
    }


def _of_scene(scene: Scene) -> dict[str, int]:
    unsaid = OF_SCENES["place"] - 1
    place = (
        len(PLACE_INDEX) + tuple(GROUNDS).index(scene.ground)
        if scene.place is None
        else PLACE_INDEX[scene.place]
    )
    return {
        "place": place if scene.said else NONE if scene.place else unsaid,
        "time": TIMES.index(scene.time),
        "weather": WEATHERS.index(scene.weather) if scene.weather else len(WEATHERS),
        "style": STYLES.index(scene.style),
        "relation": STANDS.index(scene.relation or "unsaid"),
    }


def reading_loss(
    readers: Readers,
    context: Float[Tensor, "b m c"],
    tokens: Tokens,
    asked: dict[str, Int[Tensor, "..."] | Tensor],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The mean cross-entropy over questions, and the share of right answers. Nothing waits for a GPU."""
    rows = torch.arange(len(context), device=context.device)
    nouns = context[rows[:, None], tokens.heads.clamp(min=0)].float()
    ends = context[rows, tokens.ends].float()
    losses, right = [], list[tuple[Tensor, Tensor]]()
    for name in OF_THINGS:
        logits, wanted = readers.things[name](nouns).flatten(0, 1), asked[name].flatten()
        losses.append(_cross_entropy(logits, wanted, right))
    for name in OF_SCENES:
        losses.append(_cross_entropy(readers.scenes[name](ends), asked[name], right))
    losses.append(20 * F.binary_cross_entropy_with_logits(readers.present(ends), asked["present"]))
    answered, requested = (torch.stack(counts).sum() for counts in zip(*right, strict=True))
    return torch.stack(losses).mean(), answered / requested


def _cross_entropy(logits: Tensor, wanted: Tensor, right: list[tuple[Tensor, Tensor]]) -> Tensor:
    is_requested = wanted != NONE
    right.append(((logits.argmax(1) == wanted).sum(), is_requested.sum()))  # no answer equals NONE
    total = F.cross_entropy(logits, wanted, ignore_index=NONE, reduction="sum")
    return total / is_requested.sum().clamp(min=1)
