#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for dialogue.sh
# A dialogue model from nothing: two-speaker conversations made by espeak-ng (audiolm simulate), and every part of the
# system trained on them, on a laptop's CPU, with nothing downloaded.
#
#   ./run.sh                        everything; again: only what is missing or changed
#   ./run.sh --budget 1h            longer, with better figures (smoke: minutes, to see it run)
#   ./run.sh --stage codec          from a stage on; --list prints them, --dry_run what they would cost
#   ./run.sh --codec.quantizer.n_q 8 --stop_stage codes
#   ./run.sh --text.turns --phases "conf/turns/*.yaml" --dir work/turns    speech of two speakers (audiolm say --turns)
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
train_diarizer=given         # turns of training and validation: the simulator's own
diarizer=resemblyzer         # turns of the test set: tells espeak's voices apart better than embedded does
train_aligner=given          # word times of them: likewise
codec_init=true              # the embeddings of codes start from the codec's codebooks
# Speech is held to its text, words of one utterance follow each other, and the levels that the model hardly predicts are
# not heard.
generate_args=(--guidance 2.5 --tts_temperature 0.3 --tts_acoustic_temperature 0 --tts_text_temperature 0.6 --max_pause 0.5
  --tts_levels 3 --num_tts 150)
# End configuration.

. ./dialogue.sh
