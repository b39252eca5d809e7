#!/usr/bin/env bash
# shellcheck disable=SC2034 # not every corpus needs every option
# CORPUS as text: <dir>/data/<set> for every set, from the files as they are distributed.
#
#   local/data.sh --dir work/demo --corpus_dir /data/CORPUS
#
# Each set's directory holds any of
#   text                   <id> <document>          Kaldi's; sorted under LC_ALL=C
#   *.txt, *.txt.gz        plain UTF-8, a document a line or, with run.sh --layout paragraphs, blank lines between them
# Links will do for what is large. Keep documents of test out of train.
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
for set in $sets; do
  mkdir -p "$dir/data/$set"
  # Write or link the files here.
done
