"""Calls that cannot run are refused with a reason, also for hardware that this machine lacks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limelight.attention import (
    AttentionOrder,
    AttentionSpec,
    BackendRefused,
    BadOrder,
    UnknownBackend,
    attend,
    backends,
    get,
    plan,
)
from limelight.attention.backends import onednn
from limelight.attention.registry import choose, obey
from limelight.attention.timings import Timings

SD1_SELF = {"head_dim": 40, "num_queries": 4096, "num_keys": 4096, "batch": 2, "num_heads": 8}
T4, A100, H100 = (7, 5), (8, 0), (9, 0)


def spec(device: str, dtype: torch.dtype, **changes: object) -> AttentionSpec:
    return AttentionSpec(device=device, dtype=dtype, **(SD1_SELF | changes))


@pytest.mark.parametrize(
    ("name", "asked", "reasons"),
    [
        (
            "flash",
            spec("cuda", torch.float32, head_dim=324, compute_capability=T4),
            [
                "dtype is torch.float32; needs torch.bfloat16 or torch.float16",
                "head_dim is 324; at most 256",
                "head_dim is 324; must be a multiple of 8",
                "GPU compute capability is 7.5; needs 8.0 or newer",
            ],
        ),
        ("flash", spec("cuda", torch.float16, compute_capability=A100), []),
        (
            "flash",
            spec("cuda", torch.float16, mask="bool", compute_capability=H100),
            ["mask is bool; takes no mask"],
        ),
        ("flash", spec("mps", torch.float16), ["device is mps; needs cuda"]),
        ("xformers", spec("cpu", torch.float32), ["device is cpu; needs cuda"]),
        ("xformers", spec("cuda", torch.float32, mask="additive", compute_capability=T4), []),
        (
            "xformers",
            spec("cuda", torch.bfloat16, compute_capability=T4),
            ["GPU compute capability is 7.5; needs 8.0 or newer for torch.bfloat16"],
        ),
        (
            "sdpa-flash",
            spec("cuda", torch.float16, causal=True, num_keys=77, compute_capability=A100),
            ["causal with 4096 queries and 77 keys; needs equally many"],
        ),
        (
            "sdpa-cudnn",
            spec("cuda", torch.float16, head_dim=160, num_kv_heads=2, compute_capability=H100),
            ["head_dim is 160; at most 128", "8 query heads share 2 key heads; needs equally many"],
        ),
        (
            "sdpa-efficient",
            spec("cuda", torch.float64),
            ["dtype is torch.float64; needs torch.bfloat16 or torch.float16 or torch.float32"],
        ),
        ("tiled", spec("cpu", torch.float32, needs_grad=True), ["a gradient is needed; computes none"]),
        ("tiled", spec("mps", torch.float16), []),
        (
            "math",
            spec("mps", torch.float64),
            ["dtype is torch.float64; needs torch.bfloat16 or torch.float16 or torch.float32"],
        ),
    ],
)
def test_reasons(name: str, asked: AttentionSpec, reasons: list[str]) -> None:
    assert get(name).capability.refusals(asked) == reasons


def test_the_message_about_an_unknown_backend_has_the_nearest_and_all_names() -> None:
    with pytest.raises(
        UnknownBackend, match=r"unknown attention backend 'titled' \(did you mean tiled\?\); must be"
    ):
        get("titled")


def test_an_order_is_an_order() -> None:
    q = torch.randn(1, 1, 4, 8)
    with pytest.raises(
        BackendRefused,
        match=r"^xformers cannot run this attention: xformers (is not installed|computes on CUDA)",
    ):
        attend(q, q, q, backend="xformers")


def test_a_plan_obeys_by_site_then_kind_then_everywhere() -> None:
    sites = {name: spec("cpu", torch.float32) for name in ("a.attn1", "a.attn2", "b.attn2")}
    kinds = {"a.attn1": "self", "a.attn2": "cross", "b.attn2": "cross"}
    order = AttentionOrder.parse("math, cross=tiled, b.attn2=sdpa-math")
    chosen = {site: choice.backend.name for site, choice in plan(sites, kinds, order).items()}
    assert chosen == {"a.attn1": "math", "a.attn2": "tiled", "b.attn2": "sdpa-math"}


def test_a_plan_that_cannot_be_obeyed_names_site_backend_and_reasons() -> None:
    sites = {"a.attn1": spec("cpu", torch.float32)}
    with pytest.raises(
        BackendRefused, match=r"^a\.attn1: sdpa-cudnn cannot run this attention: device is cpu; needs cuda\n"
    ):
        plan(sites, {"a.attn1": "self"}, AttentionOrder.parse("sdpa-cudnn"))


def test_the_automatic_choice_reports_rejected_and_chosen_backends() -> None:
    here = spec("cpu", torch.bfloat16)
    (choice,) = plan({"a": here}, {"a": "self"}).values()
    assert (choice.backend.name, choice.kernel) == ("sdpa", "flash")
    assert choice.passed_over == {"onednn": ["dtype is torch.bfloat16; needs torch.float32"]}
    backend, passed_over = choose(here, [get("sdpa-cudnn"), get("sdpa-efficient"), get("tiled")])
    reason = ["device is cpu; needs cuda"]
    assert (backend.name, passed_over) == ("tiled", {"sdpa-cudnn": reason, "sdpa-efficient": reason})
    with pytest.raises(
        BackendRefused, match=r"no attention backend can run .*\n  sdpa-cudnn: device is cpu; needs cuda"
    ):
        choose(here, [get("sdpa-cudnn")])


@pytest.mark.parametrize(
    ("num_queries", "fastest", "passed_over"),
    [
        (256, "onednn", {"onednn": ["256 queries are too few; sdpa is faster"]}),
        (4096, "sdpa", {"onednn": ["sdpa was measured to be faster here"]}),
        (4096, "onednn", {}),
    ],
)
def test_the_faster_of_two_is_chosen_and_either_can_be_ordered(
    monkeypatch: pytest.MonkeyPatch, num_queries: int, fastest: str, passed_over: dict[str, list[str]]
) -> None:
    class Known(Timings):
        def fastest(self, case: str, ways: object) -> str:
            return fastest

    monkeypatch.setattr(onednn, "_timings", lambda: Known(None))
    asked = spec("cpu", torch.float32, num_queries=num_queries, num_keys=num_queries)
    chosen, found = choose(asked)
    assert (chosen.name, found) == ("sdpa" if passed_over else "onednn", passed_over)
    assert obey("onednn", asked).name == "onednn"


def test_equal_sites_get_the_same_choice() -> None:
    sites = {name: spec("cpu", torch.float32) for name in ("a.attn1", "b.attn1")}
    chosen = plan(sites, dict.fromkeys(sites, "self"))
    assert [choice.site for choice in chosen.values()] == list(sites)


@pytest.mark.parametrize(
    ("name", "kernel"),
    [("sdpa", "flash"), ("sdpa-math", "math"), ("sdpa-flash", "flash"), ("tiled", "tiled"), ("math", "math")],
)
def test_kernels_have_names(name: str, kernel: str) -> None:
    assert get(name).kernel(spec("cpu", torch.float32)) == kernel


def test_flash_on_a_cpu_gives_masks_no_gradient() -> None:
    asked = spec("cpu", torch.float32, mask="additive", needs_grad=True)
    assert get("sdpa-flash").refusals(asked) == [
        "a gradient is needed with a mask; computes one only without"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the part ''"),
        ("self=", "has the part 'self='"),
        ("=sdpa", "has the part '=sdpa'"),
        ("sdpa,math", "says twice what to use everywhere"),
        ("crosss=sdpa", "names 'crosss'; must be self, cross or a site's dotted name"),
        ("self=sdpa,self=math", "says twice what to use for self"),
    ],
)
def test_an_order_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(BadOrder, match=message):
        AttentionOrder.parse(text)


def test_an_order_for_a_site_that_is_not_there_names_near_ones() -> None:
    sites = {"down_blocks.0.attentions.0.transformer_blocks.0.attn2": spec("cpu", torch.float32)}
    with pytest.raises(
        BadOrder, match=r"names the site 'down_blocks.*; the nearest are down_blocks\.0\.attentions\.0"
    ):
        plan(sites, dict.fromkeys(sites, "cross"), AttentionOrder.parse("down_blocks.0.attn2=math"))


NAMES = st.sampled_from([backend.name for backend in backends])
SITES = st.from_regex(r"[a-z_]+(\.[a-z0-9_]+){1,4}", fullmatch=True)


@given(
    everywhere=st.none() | NAMES,
    kinds=st.dictionaries(st.sampled_from(["self", "cross"]), NAMES),
    sites=st.dictionaries(SITES, NAMES, max_size=3),
)
def test_an_order_reads_back(everywhere: str | None, kinds: dict[str, str], sites: dict[str, str]) -> None:
    order = AttentionOrder(everywhere=everywhere, kinds=kinds, sites=sites)
    assert not str(order) or AttentionOrder.parse(str(order)) == order


@given(st.text(alphabet="self=cro,sdpamth .-", max_size=20))
def test_an_order_is_read_or_refused(text: str) -> None:
    try:
        order = AttentionOrder.parse(text)
    except (BadOrder, UnknownBackend):
        return
    assert AttentionOrder.parse(str(order)) == order
