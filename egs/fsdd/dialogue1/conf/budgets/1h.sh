# shellcheck shell=bash disable=SC2034
# Two cores, about half an hour by the demo's speeds (computed, not yet run): the same models, trained longer on more.
hours=3
recognizer_args+=(--trainer.max_steps 1000)
codec_args+=(--trainer.max_steps 4000)
textlm_args+=(--trainer.max_steps 150)
lm_args+=(--trainer.max_steps 1200)
