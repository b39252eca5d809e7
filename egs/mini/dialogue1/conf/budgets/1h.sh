# shellcheck shell=bash disable=SC2034
# Under an hour on two cores (55 min were measured on one): the same models, trained two to four times as long on more.
hours=10
recognizer_args+=(--trainer.max_steps 700)
codec_args+=(--trainer.max_steps 3600)
textlm_args+=(--trainer.max_steps 150)
lm_args+=(--trainer.max_steps 1800)
