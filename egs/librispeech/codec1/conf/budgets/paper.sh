# shellcheck shell=bash disable=SC2034
# Mimi's sizes (conf/paper/*.yaml say what each takes): 8 GPUs of 80 GB (computed; of the codec some steps have been trained).
fs=24000
ngpu=8
recognizer_args=() # those of the config
recognizer_config=conf/paper/recognizer.yaml
codec_config=conf/paper/codec.yaml
parts="train-clean-100+train-clean-360+train-other-500 dev-clean+dev-other test-clean+test-other"
