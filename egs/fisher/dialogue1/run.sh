#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for dialogue.sh
# Full-duplex dialogue on Fisher English, parts 1 and 2 (1 960 h of telephone calls, two channels; licensed by the LDC): the
# corpus that taught Moshi to take turns.
#
#   ./run.sh --corpus_dir /data/ldc                       LDC2004S13, LDC2004T19, LDC2005S13, LDC2005T19 below one folder
#   ./run.sh --corpus_dir /data/ldc --releases 1          part 1 alone
#   ./run.sh --corpus_dir /data/ldc --budget paper        Moshi's sizes (computed, not run)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

# Begin configuration.
corpus_dir=                  # the folder that holds the LDC's packages
releases="1 2"               # parts of the corpus that are there
held_out=50                  # calls of dev, and of test; their speakers are in no other set
corpus_rejected=1%           # the corpus stage stops when more of a set is at fault
data_options="corpus_dir releases held_out corpus_rejected seed" # which of these options local/data.sh takes
fs=8000                      # sample rate of models and of audio made for them (Hz): the corpus's own
nj=8                         # parts that array stages are cut into
train_diarizer=channels      # speaker turns of training and validation: one speaker a channel
train_aligner=ctc
# End configuration.

. ./dialogue.sh
