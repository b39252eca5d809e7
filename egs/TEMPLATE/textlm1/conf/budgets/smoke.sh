# shellcheck shell=bash disable=SC2034
# To see every stage run; nothing is learned.
textlm_args+=(--trainer.max_steps 20 --trainer.save_every 5)
