# shellcheck shell=bash disable=SC2034
# Mimi's size on all sources (conf/paper/codec.yaml says what it takes).
sources="FreeSound BBC_Sound_Effects SoundBible AudioSet_SL"
held_out=500
fs=24000
ngpu=8
codec_config=conf/paper/codec.yaml
