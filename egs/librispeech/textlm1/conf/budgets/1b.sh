# shellcheck shell=bash disable=SC2034
# 1.2 B parameters on the language modelling text (--lm_corpus): 8 GPUs of 80 GB; conf/models/1b.yaml says what it takes
# (computed; not trained). 9000 steps take 3 h and are about four epochs of that text's 0.8 G words (1.4 tokens a word are
# assumed); the 45 000 of the config would be twenty.
ngpu=8
nj=16
textlm_config=../../TEMPLATE/textlm1/conf/models/1b.yaml
parts="train-clean-100+train-clean-360+train-other-500 dev-clean+dev-other test-clean+test-other"
tokenizer_args+=(--vocab_size 32000)
textlm_args+=(--trainer.max_steps 9000)
