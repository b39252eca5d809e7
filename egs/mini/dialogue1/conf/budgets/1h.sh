# shellcheck shell=bash disable=SC2034
# Two cores, about an hour by the demo's speeds (computed, not yet run): the same models, trained longer on more.
hours=10
recognizer_args+=(--trainer.max_steps 1400)
codec_args+=(--trainer.max_steps 8000)
textlm_args+=(--trainer.max_steps 300)
lm_args+=(--trainer.max_steps 3000)
