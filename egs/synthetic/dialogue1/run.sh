#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for dialogue.sh
# A dialogue model of conversations that voices speak from your scripts: a folder with train.jsonl, dev.jsonl and test.jsonl,
# one dialogue a line (audiolm/simulate/script.py says how; "audiolm simulate scripts --dir x" writes examples).
#
#   ./run.sh --scripts /data/scripts                                     espeak-ng speaks
#   ./run.sh --scripts /data/scripts --voices kokoro --voices_model /weights/kokoro --corpus_fs 24000   Kokoro, or piper
#   ./run.sh --scripts /data/scripts --voices my_tts:voice --corpus_fs 24000   another text-to-speech system: a function that
#                                        takes audiolm.simulate.script.Speaker and gives what speaks a text (docs/guide.md)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

# Begin configuration.
scripts=                     # folder of <set>.jsonl
voices=espeak                # who speaks: espeak, kokoro, piper, or module:function
voices_model=                # folder of Kokoro's or Piper's weights; empty: $AUDIOLM_WEIGHTS/<voices>
voices_aligner=pocketsphinx  # finds the times of words where a voice knows none: pocketsphinx (English), ctc or wav2vec2
voices_aligner_model=        # what it takes: a trained recogniser's directory (ctc), a CTC model (wav2vec2)
corpus_fs=16000              # sample rate of the spoken corpus (Hz)
corpus_rejected=1%           # the corpus stage stops when more of a set cannot be spoken
data_options="scripts voices voices_model voices_aligner voices_aligner_model corpus_fs corpus_rejected seed" # which of these options local/data.sh takes
fs=8000                      # sample rate of models and of audio made for them (Hz)
nj=4                         # parts that array stages are cut into
train_aligner=given          # word times of training and validation: those that came with the voices
# End configuration.

. ./dialogue.sh
