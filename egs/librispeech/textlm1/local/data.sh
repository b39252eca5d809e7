#!/usr/bin/env bash
# LibriSpeech's transcripts as documents: data/<set>/text, a chapter a line. Its language modelling text is linked beside
# that of the first set.
#
#   local/data.sh --dir work/demo --corpus_dir /data/LibriSpeech --lm_corpus /data/librispeech-lm-norm.txt.gz
set -euo pipefail

# Begin configuration.
dir=work/demo          # the recipe's working directory
sets="train dev test"  # names of the sets
corpus_dir=            # the folder LibriSpeech, with the parts
parts="train-clean-100 dev-clean test-clean" # of each set; several of one set joined by '+'
lm_corpus=             # librispeech-lm-norm.txt.gz
# shellcheck disable=SC2034
nj=4                   # not needed: transcripts are read in seconds
# End configuration.
. utils/parse_options.sh

die() { echo "local/data.sh: error: $*" >&2; exit 1; }

if [[ ! -d $corpus_dir ]]; then die "--corpus_dir '$corpus_dir' is no folder; name the one that holds LibriSpeech"; fi
if [[ -n $lm_corpus && ! -f $lm_corpus ]]; then
  die "--lm_corpus '$lm_corpus' is no file; get librispeech-lm-norm.txt.gz from https://www.openslr.org/11"
fi
read -ra names <<<"$sets"
read -ra groups <<<"$parts"
if ((${#names[@]} != ${#groups[@]})); then
  die "--parts '$parts' names parts of ${#groups[@]} sets, --sets '$sets' ${#names[@]}; join several of one set by '+'"
fi
for i in "${!names[@]}"; do
  data=$dir/data/${names[i]}
  mkdir -p "$data"
  IFS=+ read -ra folders <<<"${groups[i]}"
  for part in "${folders[@]}"; do
    if [[ ! -d $corpus_dir/$part ]]; then
      die "$corpus_dir has no $part; get $part.tar.gz from https://www.openslr.org/12, or name others with --parts"
    fi
    # <speaker>-<chapter>-<utterance> WORDS … -> <speaker>-<chapter> WORDS of all its utterances
    find "$corpus_dir/$part" -name '*.trans.txt' -exec awk '
      FNR == 1 { if (words) print id words; words = ""; id = $1; sub(/-[^-]*$/, "", id) }
      { sub(/^[^ ]*/, ""); words = words $0 }
      END { if (words) print id words }' {} +
  done | LC_ALL=C sort >"$data/.text.tmp"
  if [[ ! -s $data/.text.tmp ]]; then die "no transcripts (*.trans.txt) in $corpus_dir: ${groups[i]}"; fi
  mv "$data/.text.tmp" "$data/text"
  echo "${names[i]}: $(wc -l <"$data/text") chapters, $(wc -w <"$data/text") words"
done
rm -f "$dir/data/${names[0]}"/lm.txt*
if [[ -n $lm_corpus ]]; then
  suffix=
  if [[ $lm_corpus == *.gz ]]; then suffix=.gz; fi
  ln -s "$(realpath "$lm_corpus")" "$dir/data/${names[0]}/lm.txt$suffix"
fi
