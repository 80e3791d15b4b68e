"""Knows columns and flags by the names of the command line, of AUTOMATIC1111 and of diffusers."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from limelight.pipeline.requests.fields import FIELDS

SIZE = "size"  # width and height in one column
MAX_NAME = 200  # characters
MAX_COLUMNS = 1_000
OWN = (*FIELDS, "id", "count")
_FURTHER: Mapping[str, str] = {
    "negative": "negative_prompt",
    "cfg": "guidance_scale",
    "sampler_name": "scheduler",
    "sampling_method": "scheduler",
    "num_inference_steps": "num_steps",
    "init_image": "image",
    "hr_scale": "hires_scale",
    "hires_scale": "hires_scale",
    "n_iter": "count",
    "batch_size": "count",
    "num_images_per_prompt": "count",
}
_SHARED = (SIZE, "denoising_strength")  # names that belong to several fields
# Names that other programs use and that cannot be set in a row, with the remedy.
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("model", "checkpoint", "model_hash"), "a run has one model: give --model"),
    **dict.fromkeys(
        ("lora", "loras", "embedding"), "a run has one set of adapters: give --lora or --embedding"
    ),
    **dict.fromkeys(("vae", "device", "dtype", "attention"), "it is an option of the run, not of a row"),
    **dict.fromkeys(
        ("schedule_type", "denoising_strength"),
        "write `scheduler` such as DPM++ 2M Karras, `strength` with an image, or `hires_strength`",
    ),
    **dict.fromkeys(
        (
            *("subseed", "subseed_strength", "seed_resize_from_h", "seed_resize_from_w", "restore_faces"),
            *("tiling", "s_churn", "s_tmin", "s_tmax", "s_noise", "styles", "enable_hr", "hr_upscaler"),
            *("hr_second_pass_steps", "hires_steps", "hires_upscaler", "hires_resize", "refiner"),
            *("sampler_index", "generator", "guidance_interval"),
        ),
        "it cannot be set here",
    ),
}


def _table() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in FIELDS.items():
        for theirs in (field.a1111, field.option.removeprefix("--"), field.diffusers):
            if theirs:
                found.setdefault(plain(theirs), name)
    return {
        theirs: name for theirs, name in {**found, **_FURTHER}.items() if theirs not in (*_SHARED, *REFUSED)
    }


def plain(name: str) -> str:
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())


_NAMES: Mapping[str, str] = _table()


def known(name: str) -> str | None:
    """The column or field that a name means, `size` for both sides; None if it is the caller's own."""
    if name in OWN or name == SIZE:
        return name
    if name.startswith("_") or len(name) > MAX_NAME:
        return None
    key = plain(name)
    return key if key in OWN or key == SIZE else _NAMES.get(key)


def wrong(name: str) -> str | None:
    """The fault of a name that `known` does not know. A name similar to a field's is taken for a mistake, and
    so is a name with a meaning in other programs."""
    if name.startswith("_"):
        return None
    if len(name) > MAX_NAME:
        return f"a column has a name of {len(name):,} characters, {name[:40]!r}...; at most {MAX_NAME}"
    key = plain(name)
    keep = f"to keep it as one of your own, call it {'_' + name!r}"
    if key in REFUSED:
        return f"column {name!r}: {REFUSED[key]}; {keep}"
    near = next(iter(get_close_matches(key, [*OWN, *_NAMES], n=1, cutoff=0.75)), "")
    return f"unknown column {name!r} (did you mean {_NAMES.get(near, near)!r}?); {keep}" if near else None


def faults_of_names(names: Collection[str]) -> list[str]:
    """The faults of the names in a row: too many, those found by `wrong`, and two names with one meaning."""
    if len(names) > MAX_COLUMNS:
        return [f"there are {len(names):,} columns; at most {MAX_COLUMNS:,}"]
    reasons: list[str] = []
    first: dict[str, str] = {}
    for name in names:
        ours = known(name)
        if ours is None:
            if reason := wrong(name) if name else "a column has no name; give it one, or remove it":
                reasons.append(reason)
            continue
        for meant in ("width", "height") if ours == SIZE else (ours,):
            if (other := first.setdefault(meant, name)) != name:
                reasons.append(f"columns {other!r} and {name!r} both mean {meant}; keep one")
    return reasons


def faults_of_header(names: Sequence[str]) -> list[str]:
    """The faults of a table's header, which must have a prompt and no column twice."""
    reasons = faults_of_names(names)
    if len(names) > MAX_COLUMNS:
        return reasons
    reasons += [
        f"column {name!r} is there {times} times" for name, times in Counter(names).items() if times > 1
    ]
    if "prompt" not in map(known, names) and not any("'prompt'" in reason for reason in reasons):
        shown = ", ".join(repr(name[:60]) for name in names[:20])
        reasons.append(f"there is no column 'prompt'; the columns are {shown}")
    return reasons
