"""The places of the world: layers from far to near, each a colour field below a line and named by a word."""

from dataclasses import dataclass

from scripts.second.world.lines import Line, everything, flat, hedge, hills, peaks, towers, trees, waves

Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The ground below `line`: `top` and `bottom` are palettes; `word` names the layer, None if captions
    never name it. `pattern`: (period across, period down, strength) of stripes, in pixels."""

    word: str | None
    line: Line
    top: tuple[Colour, ...]
    bottom: tuple[Colour, ...]
    pattern: tuple[float, float, float] = (0, 0, 0)
    is_sky: bool = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """`phrases` follow what stands there ("a fox" + "on a beach"). `horizon`: where the floor begins, a range
    of the picture's height. `outdoors`: whether time and weather show. The last layer is the floor."""

    word: str
    phrases: tuple[str, ...]
    horizon: tuple[float, float]
    layers: tuple[Layer, ...]
    floor: str = "floor"
    outdoors: bool = True
    suits: tuple[str, ...] = ()


SKY = Layer(
    word="sky",
    line=everything,
    top=((86, 172, 250), (70, 150, 235), (120, 196, 250)),
    bottom=((206, 236, 255), (180, 222, 252), (236, 244, 250)),
    is_sky=True,
)
GRASS = Layer(
    word="grass", line=flat(), top=((140, 208, 96), (120, 196, 104)), bottom=((72, 160, 62), (58, 142, 66))
)

PLACES = (
    Place(
        word="beach",
        phrases=("on a beach", "on the beach", "at the beach"),
        horizon=(0.56, 0.68),
        layers=(
            SKY,
            Layer(
                word="sea",
                line=flat(-0.14),
                top=((40, 140, 190), (44, 150, 200)),
                bottom=((104, 206, 214), (120, 214, 220)),
            ),
            Layer(
                word="sand",
                line=waves(),
                top=((250, 224, 168), (246, 226, 184)),
                bottom=((230, 188, 116),) * 2,
            ),
        ),
    ),
    Place(
        word="meadow",
        phrases=("in a meadow", "on a meadow", "in the meadow"),
        horizon=(0.54, 0.66),
        layers=(
            SKY,
            Layer(
                word="hills",
                line=hills(0.2, 0.07),
                top=((158, 212, 150), (150, 206, 170)),
                bottom=((128, 196, 124),) * 2,
            ),
            Layer(
                word="hills",
                line=hills(0.1, 0.04),
                top=((138, 206, 110), (128, 198, 112)),
                bottom=((110, 186, 92),) * 2,
            ),
            GRASS,
        ),
    ),
    Place(
        word="forest",
        phrases=("in a forest", "in the forest", "in the woods"),
        horizon=(0.58, 0.7),
        layers=(
            SKY,
            Layer(
                word="trees",
                line=trees(0.42),
                top=((120, 178, 140), (110, 170, 146)),
                bottom=((92, 152, 118),) * 2,
            ),
            Layer(
                word="trees", line=trees(0.26), top=((64, 136, 92), (56, 126, 86)), bottom=((38, 96, 64),) * 2
            ),
            Layer(word="grass", line=flat(), top=((98, 160, 76),) * 2, bottom=((54, 112, 52),) * 2),
        ),
    ),
    Place(
        word="desert",
        phrases=("in a desert", "in the desert"),
        horizon=(0.54, 0.66),
        layers=(
            SKY,
            Layer(
                word="dunes",
                line=hills(0.22, 0.06),
                top=((244, 206, 142), (240, 196, 138)),
                bottom=((228, 170, 100),) * 2,
            ),
            Layer(
                word="dunes",
                line=hills(0.1, 0.05),
                top=((236, 184, 112), (232, 176, 110)),
                bottom=((216, 150, 82),) * 2,
            ),
            Layer(word="sand", line=flat(), top=((240, 194, 124),) * 2, bottom=((206, 138, 72),) * 2),
        ),
    ),
    Place(
        word="snow",
        phrases=("in the snow", "on the snow", "in a snowy field"),
        horizon=(0.56, 0.68),
        layers=(
            SKY,
            Layer(
                word="mountains",
                line=peaks(0.34),
                top=((222, 232, 246), (214, 226, 244)),
                bottom=((140, 164, 200),) * 2,
            ),
            Layer(
                word="snow", line=hills(0.08, 0.04), top=((236, 243, 252),) * 2, bottom=((214, 228, 244),) * 2
            ),
            Layer(word="snow", line=flat(), top=((250, 252, 255),) * 2, bottom=((208, 222, 240),) * 2),
        ),
    ),
    Place(
        word="sea",
        phrases=("on the sea", "in the sea", "at sea"),
        horizon=(0.46, 0.6),
        floor="water",
        layers=(
            SKY,
            Layer(
                word="islands",
                line=hills(0.02, 0.05),
                top=((130, 176, 150),) * 2,
                bottom=((104, 152, 132),) * 2,
            ),
            Layer(
                word="sea",
                line=flat(),
                top=((86, 176, 220), (70, 160, 214)),
                bottom=((22, 92, 164), (18, 82, 150)),
            ),
        ),
    ),
    Place(
        word="city",
        phrases=("in a city", "in the city", "in town"),
        horizon=(0.62, 0.72),
        layers=(
            SKY,
            Layer(
                word="buildings",
                line=towers(0.44),
                top=((176, 190, 214), (186, 184, 210)),
                bottom=((196, 206, 224),) * 2,
            ),
            Layer(
                word="buildings",
                line=towers(0.26),
                top=((122, 138, 176), (146, 122, 150), (112, 146, 160)),
                bottom=((104, 118, 156), (126, 104, 132), (96, 128, 144)),
                pattern=(8, 9, 1.0),
            ),
            Layer(word="street", line=flat(), top=((168, 170, 180),) * 2, bottom=((118, 120, 132),) * 2),
        ),
    ),
    Place(
        word="room",
        phrases=("in a room", "in the room", "at home"),
        horizon=(0.62, 0.74),
        outdoors=False,
        layers=(
            Layer(
                word="wall",
                line=everything,
                top=((252, 226, 204), (206, 226, 240), (238, 208, 222), (214, 232, 208), (250, 234, 180)),
                bottom=((244, 206, 178), (184, 208, 228), (226, 186, 206), (192, 216, 186), (240, 216, 150)),
            ),
            Layer(word=None, line=flat(-0.035), top=((255, 252, 246),) * 5, bottom=((240, 234, 226),) * 5),
            Layer(
                word="floor",
                line=flat(),
                top=((196, 144, 98), (176, 128, 92), (206, 160, 116)),
                bottom=((152, 100, 62), (132, 88, 60), (164, 114, 74)),
            ),
        ),
    ),
    Place(
        word="garden",
        phrases=("in a garden", "in the garden"),
        horizon=(0.58, 0.7),
        layers=(
            SKY,
            Layer(
                word="hedge",
                line=hedge(0.24),
                top=((94, 164, 84), (84, 156, 92)),
                bottom=((52, 118, 58),) * 2,
            ),
            Layer(
                word="fence",
                line=flat(-0.12),
                top=((252, 250, 244), (236, 206, 168)),
                bottom=((232, 228, 220), (206, 168, 126)),
                pattern=(9, 0, 0.55),
            ),
            GRASS,
        ),
    ),
    Place(
        word="moon",
        phrases=("on the moon", "in space"),
        horizon=(0.66, 0.76),
        outdoors=False,
        layers=(
            Layer(
                word="space",
                line=everything,
                top=((8, 8, 28), (16, 8, 40)),
                bottom=((34, 30, 84), (56, 30, 90)),
                is_sky=True,
            ),
            Layer(
                word="rocks", line=hills(0.05, 0.04), top=((128, 128, 150),) * 2, bottom=((96, 96, 120),) * 2
            ),
            Layer(word="ground", line=flat(), top=((178, 178, 196),) * 2, bottom=((110, 110, 134),) * 2),
        ),
    ),
    Place(
        word="stage",
        phrases=("on a stage", "on the stage", "on stage"),
        horizon=(0.68, 0.78),
        outdoors=False,
        layers=(
            Layer(
                word="curtain",
                line=everything,
                top=((120, 16, 30), (60, 30, 110), (20, 60, 120)),
                bottom=((176, 30, 44), (104, 54, 160), (36, 96, 170)),
                pattern=(13, 0, 0.5),
            ),
            Layer(word="floor", line=flat(), top=((206, 150, 96),) * 3, bottom=((126, 80, 48),) * 3),
        ),
    ),
)
PLACE_INDEX = {place.word: index for index, place in enumerate(PLACES)}

GROUNDS: dict[str, Colour] = {
    "white": (246, 246, 246),
    "black": (26, 26, 30),
    "gray": (146, 148, 154),
    "red": (206, 56, 54),
    "orange": (246, 152, 66),
    "yellow": (250, 222, 104),
    "green": (96, 184, 106),
    "blue": (78, 138, 226),
    "purple": (146, 96, 196),
    "pink": (248, 168, 202),
    "brown": (128, 90, 64),
    "teal": (46, 164, 164),
}
