# shellcheck shell=bash disable=SC2034
# 1.2 B parameters on the language modelling text (--lm_corpus): 8 GPUs of 80 GB; conf/models/1b.yaml says what it takes
# (computed; not trained). The text has about 1.1 G tokens, so 24 epochs of the paper's 20 tokens a parameter: fewer steps
# are set here, four epochs.
ngpu=8
nj=16
textlm_config=../../TEMPLATE/textlm1/conf/models/1b.yaml
parts="train-clean-100+train-clean-360+train-other-500 dev-clean+dev-other test-clean+test-other"
tokenizer_args+=(--vocab_size 32000)
textlm_args+=(--trainer.max_steps 9000)
