"""What a file is that was taken for a checkpoint, in words."""

from collections.abc import Iterable

_LORA = "give it with --lora beside a model"
_PART = "put it into a model's folder in diffusers layout, as {}/{}.safetensors"

# Kind, what can be done with it, and fragments of names: the first kind whose fragment is in any name.
# Parts of a checkpoint come last, since others hold some too.
_KINDS = (
    (
        "a LoRA, which changes a model and is none",
        _LORA,
        (".lora_up.", ".lora_down.", ".lora_A.", ".lora_B.", "lora_te"),
    ),
    ("a LyCORIS adapter, which changes a model and is none", "", (".hada_w1_a", ".lokr_w1", ".oft_blocks")),
    (
        "a textual inversion, which adds words to a model",
        "give it with --embedding beside a model",
        ("emb_params", "clip_g", "clip_l"),
    ),
    ("a ControlNet", "", ("control_model.", "controlnet_cond_embedding.", "input_hint_block.")),
    ("an IP-Adapter", "", ("ip_adapter.", "image_proj.")),
    ("a Stable Diffusion 3 transformer", "", ("joint_blocks.",)),
    ("a Flux transformer", "", ("double_blocks.", "single_blocks.")),
    (
        "a U-Net alone, in diffusers' names",
        _PART.format("unet", "diffusion_pytorch_model"),
        ("down_blocks.0.resnets.0.time_emb_proj.",),
    ),
    ("a VAE alone", "", ("first_stage_model.",)),
    (
        "a VAE alone",
        _PART.format("vae", "diffusion_pytorch_model"),
        ("encoder.down_blocks.", "decoder.up_blocks."),
    ),
    ("a VAE alone", "", ("encoder.conv_in.", "decoder.conv_in.")),
    (
        "a text encoder alone",
        _PART.format("text_encoder", "model"),
        ("text_model.encoder.",),
    ),
    ("a text encoder alone", "", ("resblocks.", "cond_stage_model.", "conditioner.")),
)


def kind_of(names: Iterable[str]) -> tuple[str, str]:
    """The kind of file that holds tensors of these names, and what can be done with it, if anything."""
    names = list(names)
    if not names:
        return "an empty file", ""
    for kind, remedy, fragments in _KINDS:
        if any(fragment in name for name in names for fragment in fragments):
            return kind, remedy
    return "no checkpoint in the original layout", ""
