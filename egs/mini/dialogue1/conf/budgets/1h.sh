# shellcheck shell=bash disable=SC2034
# Two cores, under an hour: the same models, trained four times as long on twice the dialogue.
hours=10
recognizer_args+=(--trainer.max_steps 700)
codec_args+=(--trainer.max_steps 3600)
textlm_args+=(--trainer.max_steps 150)
lm_args+=(--trainer.max_steps 1800)
