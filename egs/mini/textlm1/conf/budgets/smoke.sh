# shellcheck shell=bash disable=SC2034
# One core, 22 s of it (measured): every stage runs, little is learned.
hours=1
eval_minutes=10
textlm_args+=(--trainer.max_steps 20 --trainer.save_every 5)
