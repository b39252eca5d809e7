# shellcheck shell=bash disable=SC2034
# To see every stage run; nothing is learned.
recognizer_args+=(--trainer.max_steps 20 --trainer.save_every 5)
codec_args+=(--trainer.max_steps 20 --trainer.save_every 5 --discriminator_start 5 --adversarial_start 10)
