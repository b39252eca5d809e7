#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for textlm.sh
# A text LM of LibriSpeech's transcripts (CC BY 4.0, openslr.org/12), a chapter a document; and where it is at hand of its
# language modelling text (14500 public domain books, 800 M words, openslr.org/11), a line a document.
#
#   ./run.sh --corpus_dir /data/LibriSpeech                     a laptop: train-clean-100, dev-clean, test-clean
#   ./run.sh --corpus_dir /data/LibriSpeech --lm_corpus /data/librispeech-lm-norm.txt.gz
#   ./run.sh --corpus_dir /data/LibriSpeech --lm_corpus … --budget 1b        1.2 B parameters, on GPUs
#   ./run.sh --corpus_dir /data/LibriSpeech --textlm DIR        only score a trained LM, or a Llama-shaped one
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

# Begin configuration.
corpus_dir=                  # the folder LibriSpeech, with the parts; no audio is read
parts="train-clean-100 dev-clean test-clean" # of each set; several of one set joined by '+'
lm_corpus=                   # librispeech-lm-norm.txt.gz, to train on too
data_options="corpus_dir parts lm_corpus" # which of these options local/data.sh takes
# End configuration.

. ./textlm.sh
