# shellcheck shell=bash disable=SC2034
# A laptop: the models of egs/mini at 8 kHz, trained longer, as real speech needs. Two cores, about half an hour of training
# (computed from the speeds of egs/mini: recogniser 20 min, codec 11), under 2 GB of memory.
recognizer_args+=(--trainer.max_steps 5000)
codec_args+=(--trainer.max_steps 8000)
