# shellcheck shell=bash disable=SC2034
# One core, under a minute: every stage runs, nothing is learned.
hours=1
eval_minutes=10
textlm_args+=(--trainer.max_steps 20 --trainer.save_every 5)
