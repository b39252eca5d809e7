#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for dialogue.sh
# The mini recipe in another language: German conversations spoken by espeak-ng, and every part trained on them, on a
# laptop's CPU, with nothing downloaded. Only the data differ (local/), and what knows English is not asked: words get
# their times from the recipe's own recogniser, which also hears what the model says.
#
#   ./run.sh                        everything; again: only what is missing or changed
#   ./run.sh --budget 1h            longer, with better figures (smoke: minutes, to see it run)
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
train_aligner=ctc
aligner=ctc                  # and those of test, scored against the simulator's
codec_init=true              # the embeddings of codes start from the codec's codebooks
# the letters of the language
recognizer_args=(--model.symbols " abcdefghijklmnopqrstuvwxyzßäöü")
generate_args=(--guidance 2.5 --tts_temperature 0.3 --tts_acoustic_temperature 0 --tts_text_temperature 0.6 --max_pause 0.5
  --tts_levels 3 --num_tts 150)
score_args=(--asr ctc --asr_language de) # PocketSphinx hears English only; --judge whisper and multilingual weights hear German
# End configuration.

. ./dialogue.sh
