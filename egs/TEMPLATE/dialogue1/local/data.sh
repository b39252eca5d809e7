#!/usr/bin/env bash
# shellcheck disable=SC2034 # not every corpus needs every option
# CORPUS as Kaldi data directories: <dir>/data/<set> for every set, from the files as they are distributed.
#
#   local/data.sh --dir work/demo --corpus_dir /data/CORPUS
#
# Each set's directory holds (sorted under LC_ALL=C, UTF-8)
#   wav.scp                <recording> <audio file>      one recording a channel: call-A and call-B may name the same file
#   reco2file_and_channel  <recording> <file> <A or B>   which channel of it
#   segments               <utterance> <recording> <start> <end>   seconds; where utterances are parts of recordings
#   text                   <utterance> <transcript>
#   utt2spk                <utterance> <speaker>         utterance ids begin with their speaker's
# and, where the corpus gives them, rttm (speaker turns) and ctm (words with times). Keep speakers of test out of train.
# Whatever is left out has a line in rejected.tsv: <id><TAB><reason>.
set -euo pipefail

# Begin configuration.
dir=                   # the recipe's working directory
sets="train dev test"  # the sets to make
corpus_dir=            # the corpus as it is distributed
nj=4                   # jobs at a time
# End configuration.
. utils/parse_options.sh

if [[ ! -d $corpus_dir ]]; then
  echo "local/data.sh: error: --corpus_dir '$corpus_dir' is no folder; name the one that holds CORPUS" >&2
  exit 1
fi

echo "local/data.sh: error: it is not written yet: write what makes data/<set> of CORPUS, and take this line out" >&2; exit 1
# shellcheck disable=SC2317 # until that line is out
# shellcheck disable=SC2317 # until that line is out
for set in $sets; do
  mkdir -p "$dir/data/$set"
  # Write the tables here, or let 'audiolm corpus NAME' do it where the corpus is one that it knows.
  utils/fix_data_dir.sh "$dir/data/$set"
  utils/validate_data_dir.sh "$dir/data/$set"
done
