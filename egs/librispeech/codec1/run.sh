#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for codec.sh
# A codec of LibriSpeech (1000 h of read English, CC BY 4.0, openslr.org/12).
#
#   ./run.sh --corpus_dir /data/LibriSpeech                     a laptop: train-clean-100, dev-clean, test-clean
#   ./run.sh --corpus_dir /data/LibriSpeech --budget paper      all parts, Mimi's sizes
#   ./run.sh --corpus_dir /data/LibriSpeech --parts "dev-clean dev-other test-clean"
#   ./run.sh --codec_config "conf/codec.yaml mine.yaml" --dir work/mine    another codec: what mine.yaml sets over the other
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

# Begin configuration.
corpus_dir=                  # the folder LibriSpeech, with SPEAKERS.TXT and the parts
parts="train-clean-100 dev-clean test-clean" # of each set; several of one set joined by '+'
corpus_rejected=1%           # the corpus stage stops when more of a set is at fault
data_options="corpus_dir parts corpus_rejected" # which of these options local/data.sh takes
fs=8000                      # sample rate of models and of audio made for them (Hz)
nj=4                         # parts that array stages are cut into
# seconds: LibriSpeech's utterances, slowed down
recognizer_args=(--model.window 20 --trainer.batch_size 3)
# End configuration.

. ./codec.sh
