#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for dialogue.sh
# The Free Spoken Digit Dataset (real people; Jackson et al., CC BY-SA 4.0): strings of digits of one speaker, joined with
# random gaps; the speakers of dev and test are unseen in training.
#
#   ./run.sh                             fetch the corpus with git, then every stage
#   ./run.sh --corpus_dir /data/fsdd     use the copy that is there
#   ./run.sh --budget 1h                 longer, with better figures
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
train_aligner=pocketsphinx
max_rejected=10%             # of utterances: PocketSphinx cannot place the words of some voices
# strings are up to 4 s long
recognizer_args=(--model.window 5 --trainer.batch_size 12)
# so are recordings, with their pauses and the delay of text
lm_args=(--data.frames 72 --trainer.batch_size 24)
# Speech is held to its text, and words of one utterance follow each other.
generate_args=(--guidance 2.5 --tts_temperature 0.3 --tts_acoustic_temperature 0 --tts_text_temperature 0.6 --max_pause 0.8
  --num_tts 150)
score_args=(--asr_normaliser digits) # for --judge: strings of digits are single words to Whisper's normaliser of English
# End configuration.

. ./dialogue.sh
