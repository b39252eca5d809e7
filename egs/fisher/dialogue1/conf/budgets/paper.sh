# shellcheck shell=bash disable=SC2034
# The sizes of Moshi's paper (conf/paper/*.yaml say what each takes): 8 GPUs of 80 GB (computed; nothing of this size has
# been trained, and of the codec some steps).
fs=24000
ngpu=8
recognizer_config=conf/paper/recognizer.yaml
codec_config=conf/paper/codec.yaml
textlm_config=conf/paper/textlm.yaml
lm_config=conf/paper/lm.yaml
phases=conf/paper/phases/3_fisher.yaml # the others are for corpora of their size
tokenizer_args+=(--vocab_size 32000)
