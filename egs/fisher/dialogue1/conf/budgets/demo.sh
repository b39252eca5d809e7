# shellcheck shell=bash disable=SC2034
# A laptop: the models of egs/mini at 8 kHz, trained longer, as real speech needs. Two cores, about an hour of training
# (computed from the speeds of egs/mini: recogniser 20 min, codec 11, text LM 1, dialogue LM 30), under 2 GB of memory. The
# stages between go by the hours of audio: resampling and codes take 1/50 to 1/10 of its duration on a core, alignment 1/5.
recognizer_args+=(--model.window 20 --trainer.batch_size 3) # seconds: LibriSpeech's utterances, slowed down
recognizer_args+=(--trainer.max_steps 5000)
codec_args+=(--trainer.max_steps 8000)
textlm_args+=(--trainer.max_steps 800)
lm_args+=(--trainer.max_steps 3200)
tokenizer_args+=(--vocab_size 1000)
textlm_args+=(--text_vocab 1000)
lm_args+=(--model.text_vocab 1000)
