#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for codec.sh
# A codec of the Free Spoken Digit Dataset (real people; Jackson et al., CC BY-SA 4.0): strings of digits of one speaker, joined
# with random gaps; the speakers of dev and test are unseen in training.
#
#   ./run.sh                               fetch the corpus with git, then every stage
#   ./run.sh --corpus_dir /data/fsdd       use the copy that is there
#   ./run.sh --codec_config "conf/codec.yaml mine.yaml" --dir work/mine    another codec: what mine.yaml sets over the other
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

# Begin configuration.
corpus_dir=                  # a copy of the corpus (its recordings/ folder, or the folder above); else git fetches it
hours=1                      # of strings to make for training: the same takes in ever new strings
eval_minutes=5               # of strings to make for dev, and for test
data_options="corpus_dir hours eval_minutes seed" # which of these options local/data.sh takes
fs=8000                      # sample rate of models and of audio made for them (Hz)
nj=2                         # parts that array stages are cut into
# strings are up to 4 s long
recognizer_args=(--model.window 5 --trainer.batch_size 12)
score_args=(--asr_normaliser digits) # for --judge: strings of digits are single words to Whisper's normaliser of English
# End configuration.

. ./codec.sh
