# shellcheck shell=bash disable=SC2034
# Two cores, about an hour by the demo's speeds (computed, not yet run): the same models, trained longer on more.
hours=12
recognizer_args+=(--trainer.max_steps 1500)
codec_args+=(--trainer.max_steps 7500)
textlm_args+=(--trainer.max_steps 300)
lm_args+=(--trainer.max_steps 6500)
