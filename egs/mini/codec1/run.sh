#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for codec.sh
# The codec of egs/mini/dialogue1 by itself: espeak-ng's voices, the recogniser that teaches the first level, the codec and
# its scores, on a laptop's CPU, with nothing downloaded. The place to try a codec of your own.
#
#   ./run.sh                                        everything; again: only what is missing or changed
#   ./run.sh --teacher none --dir work/undistilled  without distillation
#   ./run.sh --codec.quantizer.n_q 8 --dir work/8   another codec: any key of conf/codec.yaml
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

# Begin configuration.
hours=4.5                    # hours of dialogue to make for training
eval_minutes=8               # minutes of dialogue to make for dev, and for test
data_options="hours eval_minutes seed" # which of these options local/data.sh takes
fs=8000                      # sample rate of models and of audio made for them (Hz)
nj=2                         # parts that array stages are cut into
# End configuration.

. ./codec.sh
