#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for dialogue.sh
# LibriSpeech (1000 h of read English, CC BY 4.0, openslr.org/12) through all stages: one speaker a recording, so the model
# learns to speak, to transcribe and to read aloud, not to take turns.
#
#   ./run.sh --corpus_dir /data/LibriSpeech                     a laptop: train-clean-100, dev-clean, test-clean
#   ./run.sh --corpus_dir /data/LibriSpeech --budget paper      all parts, Moshi's sizes
#   ./run.sh --corpus_dir /data/LibriSpeech --parts "dev-clean dev-other test-clean"
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
train_diarizer=channels      # speaker turns of training and validation: a recording has one speaker
diarizer=channels            # … and of the others
train_aligner=ctc
# End configuration.

. ./dialogue.sh
