"""Training of the default model: stages `clip`, `vae`, `unet`, each resumable, on CPU and CUDA."""
