#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for dialogue.sh
# A dialogue model of any folder of two-channel recordings: speaker A on channel 1, speaker B on channel 2.
#
#   ./run.sh --corpus_dir /data/calls      talk.wav, with its transcript talk.stm (NIST's format) beside it
#
# Stages 1 to 3 and 9 do without transcripts; 4 to 7 train and align on them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

# Begin configuration.
corpus_dir=                  # the folder, searched to any depth
held_out=1                   # files of dev, and of test; their speakers are in no other set
corpus_rejected=1%           # the corpus stage stops when more of a set is at fault
data_options="corpus_dir held_out corpus_rejected seed" # which of these options local/data.sh takes
fs=8000                      # sample rate of models and of audio made for them (Hz)
nj=4                         # parts that array stages are cut into
train_diarizer=channels      # speaker turns of training and validation: one speaker a channel
diarizer=channels            # … and of the others
train_aligner=ctc
# End configuration.

has_transcripts() { [[ ! -d $corpus_dir || -n $(find -L "$corpus_dir" -iname '*.stm' -print -quit) ]]; }
. ./dialogue.sh
