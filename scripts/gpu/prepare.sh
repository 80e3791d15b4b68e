#!/bin/sh
# Makes what a GPU machine without a network needs to train the second edition:
#     make .venv/installed-dev && sh scripts/gpu/prepare.sh FOLDER
# Stage `text` takes minutes. Where stage `vae` of `python -m scripts.second.train` has run, or an autoencoder is kept,
# that autoencoder is polished on the GPU; elsewhere it is trained there, in a quarter of the time.
# FOLDER then holds wheels and data. On the machine, in the repository, which can do without pipeline/default_model:
#     python3 -m pip install -q --no-index --no-deps --no-compile --target /tmp/site FOLDER/*.whl
#     PYTHONPATH=/tmp/site sh scripts/gpu/train_all.sh FOLDER/data OUT SECONDS
set -eu
folder=$1
python=.venv/bin/python
export CUDA_VISIBLE_DEVICES=
[ -e build/world2/tiles.npz ] || $python -m scripts.build_dataset --edition 2
$python -m scripts.second.train text --threads "$(nproc)" # goes on where it was stopped
$python -m scripts.second.pack --out build/data/data --enlarger
$python -m scripts.gpu.payload "$folder" --packages diffusers,importlib_metadata==8.7.0 --add build/data/data \
    --leave-out pipeline/default_model
