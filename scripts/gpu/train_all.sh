#!/bin/sh
# Trains the second edition's denoiser, and at the same time judge, describer and enlarger, on one GPU:
#     sh scripts/gpu/train_all.sh DATA OUT SECONDS
# The small three wait for the autoencoder: a tenth of the time, or a quarter if DATA has none.
# DATA is what `python -m scripts.second.pack --enlarger` made. OUT/run holds the pieces of the weights, a log
# and pictures; OUT/companions.tar the three small networks and all output. `python -m scripts.gpu.collect
# OUT/run/pieces OUT/companions --join RUN` makes a run of them.
data=$1 out=$2 seconds=$3
work=$(mktemp -d)

packed() { # what is there so far, so that a stop loses nothing
    (cd "$work" && flock lock tar cf "$out/companions.tar" --exclude lock .)
}

companion() { # NAME STEPS
    nice -n 5 timeout $((seconds - 10)) python3 -m scripts.gpu.companion "$1" --steps "$2" --data "$data" \
        --vae "$work/vae" --out "$work/companions" --seconds $((seconds - 45)) > "$work/$1.log" 2>&1
    packed
}

companion judge 1500 &
companion describer 3000 &
companion enlarger 3500 &
python3 -m scripts.gpu.train --data "$data" --out "$out/run" --vae "$work/vae" --seconds "$seconds" --workers 10 \
    > "$work/train.log" 2>&1
code=$?
packed
grep -v 'event learn step\|event polish step' "$work/train.log" | tail -n 25
grep 'event learn step' "$work/train.log" | tail -n 3
tail -n 2 "$work"/*.log
exit $code
