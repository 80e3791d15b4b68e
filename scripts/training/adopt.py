"""Makes checkpoints of a published model's folder, so that a run goes on from its weights."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel

from scripts.training.relation import relation_head
from scripts.training.tools import checkpoint


def adopt(model: Path, run: Path) -> None:
    """Writes `clip.pt`, `vae.pt` and a `unet.pt` at step 0 with the weights of `model` into `run`.

    Raises:
        FileExistsError: `run` has a checkpoint already: it is not overwritten.
    """
    taken = [path for name in ("clip", "vae", "unet") if (path := run / f"{name}.pt").exists()]
    if taken:
        raise FileExistsError(f"{taken[0]} exists; name an empty folder with --run")
    plain = {"torch_dtype": torch.float32, "local_files_only": True}
    encoder = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32)
    vae = AutoencoderKL.from_pretrained(model / "vae", **plain)
    unet = UNet2DConditionModel.from_pretrained(model / "unet", **plain)
    _save(run / "clip.pt", encoder=encoder)
    _save(run / "vae.pt", vae=vae)
    both = nn.ModuleDict({"unet": unet, "encoder": encoder})
    averaged, head = torch.optim.swa_utils.AveragedModel(both), relation_head(encoder.config.hidden_size)
    _save(run / "unet.pt", model=both, averaged=averaged, relation=head)


def _save(path: Path, **modules: nn.Module) -> None:
    state = {name: module.state_dict() for name, module in modules.items()}
    checkpoint.save({"step": 0, "optimizers": None, "modules": state}, path)
