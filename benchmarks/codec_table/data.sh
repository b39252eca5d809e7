#!/usr/bin/env bash
# Real speech for comparing small codecs, from Kaldi data directories: DIR/data/<set> and, at FS Hz, DIR/dump/<set>/audio for
# train, dev and test, transcripts kept. Speakers of dev and test are in no other set.
#
#   benchmarks/codec_table/data.sh --corpora "$(echo ../shared/data/{librispeech_*_*,ljspeech,fsdd})" --dir work/codec_table
#
# The default speakers are of LibriSpeech's test-other and dev-clean and of the Free Spoken Digit Dataset, which is in its
# single digits here, narrow-band.
set -euo pipefail

# Begin configuration.
corpora=                           # data directories, with text and utt2spk
dir=work/codec_table               # everything is written here
dev_speakers="2609 1272 yweweler"  # held out for dev
test_speakers="367 533 2033 theo"  # held out for test
fs=16000                           # sample rate of the audio made (Hz)
nj=2                               # jobs at a time
max_rejected=1%                    # stop when more of a set cannot be read
# End configuration.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$here/utils/parse_options.sh"
. "$here/utils/path.sh"

if [[ -z $corpora ]]; then
  echo "data.sh: error: --corpora names nothing; give it the data directories, quoted as one word" >&2
  exit 1
fi
mkdir -p "$dir/data"
# shellcheck disable=SC2086 # corpora and speakers are lists of words
audiolm datadir combine "$dir/data/all" $corpora
# shellcheck disable=SC2086
printf '%s\n' $dev_speakers >"$dir/data/dev.speakers"
# shellcheck disable=SC2086
printf '%s\n' $test_speakers >"$dir/data/test.speakers"
cut -d ' ' -f 1 "$dir/data/all/spk2utt" | grep -vxFf "$dir/data/dev.speakers" | grep -vxFf "$dir/data/test.speakers" \
  >"$dir/data/train.speakers"
for set in train dev test; do
  audiolm datadir subset --spk_list "$dir/data/$set.speakers" "$dir/data/all" "$dir/data/$set"
done
audiolm launch --backend local --max_jobs "$nj" JOB=1:"$nj" "$dir/log/audio.JOB.log" \
  audiolm audio --dir "$dir" --sets train dev test --fs "$fs" --job JOB --num_jobs "$nj"
audiolm merge --dir "$dir" --sets train dev test --kind audio --num_jobs "$nj" --max_rejected "$max_rejected"
for set in train dev test; do
  audio=$dir/dump/$set/audio
  audiolm datadir validate "$audio"
  awk -v set="$set" -v speakers="$(wc -l <"$audio/spk2utt")" '{ sum += $2 }
    END { printf "%s: %.1f min, %d recordings, %d speakers\n", set, sum / 60, NR, speakers }' "$audio/reco2dur"
done
