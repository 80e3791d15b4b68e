"""What a file is that was taken for a checkpoint, in words."""

from collections.abc import Iterable

# The first whose fragment is in any name; parts of a checkpoint come last, since others hold some too.
_KINDS = (
    (
        "a LoRA, which changes a model and is none",
        (".lora_up.", ".lora_down.", ".lora_A.", ".lora_B.", "lora_te"),
    ),
    ("a LyCORIS adapter, which changes a model and is none", (".hada_w1_a", ".lokr_w1", ".oft_blocks")),
    ("a textual inversion, which adds words to a model", ("emb_params", "clip_g", "clip_l")),
    ("a ControlNet", ("control_model.", "controlnet_cond_embedding.", "input_hint_block.")),
    ("an IP-Adapter", ("ip_adapter.", "image_proj.")),
    ("a Stable Diffusion 3 transformer", ("joint_blocks.",)),
    ("a Flux transformer", ("double_blocks.", "single_blocks.")),
    ("a U-Net alone, in diffusers' names", ("down_blocks.0.resnets.0.time_emb_proj.",)),
    ("a VAE alone", ("first_stage_model.", "encoder.conv_in.", "decoder.conv_in.")),
    ("a text encoder alone", ("text_model.encoder.", "resblocks.", "cond_stage_model.", "conditioner.")),
)


def kind_of(names: Iterable[str]) -> str:
    """The kind of file that holds tensors of these names."""
    names = list(names)
    if not names:
        return "an empty file"
    for kind, fragments in _KINDS:
        if any(fragment in name for name in names for fragment in fragments):
            return kind
    return "no checkpoint in the original layout"
