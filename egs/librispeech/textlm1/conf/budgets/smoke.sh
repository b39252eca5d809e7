# shellcheck shell=bash disable=SC2034
# To see every stage run; nothing is learned.
tokenizer_args+=(--vocab_size 1000)
textlm_args+=(--text_vocab 1000 --trainer.max_steps 20 --trainer.save_every 5)
