# shellcheck shell=bash disable=SC2034
# To see every stage run in some minutes; nothing is learned.
recognizer_args+=(--trainer.max_steps 20 --trainer.save_every 5)
codec_args+=(--trainer.max_steps 20 --trainer.save_every 5)
textlm_args+=(--trainer.max_steps 20 --trainer.save_every 5)
lm_args+=(--trainer.max_steps 20 --trainer.save_every 5)
