# shellcheck shell=bash disable=SC2034
# To see every stage run; nothing is learned. Two cores: training takes about two minutes (computed), under 2 GB of memory.
recognizer_args+=(--model.window 20 --trainer.batch_size 3) # seconds: LibriSpeech's utterances, slowed down
recognizer_args+=(--trainer.max_steps 20 --trainer.save_every 5)
codec_args+=(--trainer.max_steps 20 --trainer.save_every 5)
textlm_args+=(--trainer.max_steps 20 --trainer.save_every 5)
lm_args+=(--trainer.max_steps 20 --trainer.save_every 5)
tokenizer_args+=(--vocab_size 1000)
textlm_args+=(--text_vocab 1000)
lm_args+=(--model.text_vocab 1000)
