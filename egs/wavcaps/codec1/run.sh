#!/usr/bin/env bash
# shellcheck disable=SC2034 # the options are for codec.sh
# A codec of everyday sounds, from WavCaps (403 000 captioned clips, 7 600 h, academic use only).
#
#   ./run.sh --corpus_dir /data/WavCaps                   a laptop: SoundBible, the smallest source, 1 232 clips
#   ./run.sh --corpus_dir /data/WavCaps --budget paper    all four sources, Mimi's size
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./path.sh
. ./cmd.sh

# Begin configuration.
corpus_dir=                  # the folder with json_files and the unpacked Zip_files
sources=SoundBible           # what to take: FreeSound, BBC_Sound_Effects, SoundBible, AudioSet_SL
held_out=60                  # clips for each set but the first
corpus_rejected=1%           # the corpus stage stops when more of a set is at fault
data_options="corpus_dir sources held_out corpus_rejected seed" # which of these options local/data.sh takes
fs=16000                     # sample rate of models and of audio made for them (Hz)
nj=4                         # parts that array stages are cut into
teacher=none                 # captions are no transcripts
phones=none                  # nor are there phones
score_args=(--asr --measures mel_distance si_sdr visqol idempotence) # nor are there words to hear
# End configuration.

. ./codec.sh
