"""Other programs' names of samplers, brought to one spelling."""

from collections.abc import Mapping

MAX_NAME = 100  # characters
_DISTINCT: Mapping[str, str] = {  # longer ones first
    "dpmsolversinglestep": "dpm++2s",
    "dpmsolvermultistep": "dpm++2m",
    "multistepscheduler": "",
    "discretescheduler": "",
    "scheduler": "",
    "dpmpp": "dpm++",
    "ancestral": "a",
    "kdpm2": "dpm2",
    "gpu": "",  # where ComfyUI draws the noise
}
_SCHEDULES: Mapping[str, str] = {"uniform": "", "normal": "", "discrete": "", "default": "", "none": ""}
_OTHERS: Mapping[str, str] = {"plms": "pndm"}
SCHEDULES = ("karras", "exponential", "simple", "beta", "trailing", "normal", "uniform")  # in a label


def spelling(name: str) -> str:
    """Equal for names that mean the same: `Euler Ancestral Karras`, `euler_a_karras`, `k_euler_a_k`."""
    words = name[:MAX_NAME].lower().replace("-", " ").replace("_", " ").split()
    if words[:1] == ["k"]:
        words = words[1:]
    if len(words) > 1 and words[-1] == "k":
        words[-1] = "karras"
    plain = "".join(words)
    for theirs, ours in _DISTINCT.items():
        plain = plain.replace(theirs, ours)
    return _OTHERS.get(plain, plain)


def with_schedule(name: str, schedule: str) -> str:
    """The spelling of a sampler whose noise schedule is named separately."""
    kind = spelling(schedule)
    return spelling(name) + _SCHEDULES.get(kind, kind)
