#!/usr/bin/env bash
# Stages 1 to 7 of the dialogue recipes, but for the recogniser, on real calls: turns, words and text streams of each channel.
#
#   benchmarks/real_dialogues.sh ../shared/data [WORK]
#
# telephone_2ch, dialog_unlabelled: no transcripts, so the words are found (TRANSCRIBER, by default pocketsphinx_transcribe,
# which needs no download; MODEL: Whisper's). telephone_clip: one microphone with transcripts, which diarization parts into
# two channels. WORK (default: a temporary folder) keeps what was made.
set -euo pipefail
data=$(cd "$1" && pwd)
work=${2:-$(mktemp -d)}
mkdir -p "$work"
work=$(cd "$work" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. egs/two_channel/dialogue1/utils/path.sh
find_words=(--backend "${TRANSCRIBER:-pocketsphinx_transcribe}" ${MODEL:+--model "$MODEL"})

each() { # DIR VERB [OPTION…]: an array verb as one job
  audiolm "$2" --dir "$1" --sets train "${@:3}" >/dev/null
  audiolm merge --dir "$1" --sets train --kind "$2" --num_jobs 1 --max_rejected 100%
}

one_microphone() { # DIR ALIGN-OPTION…
  each "$1" audio --fs 8000 --mix
  each "$1" diarize --backend embedded --num_speakers 2 --streams
  each "$1" align "${@:2}"
  audiolm tokenizer --text "$1/dump/train/align/ctm" --out "$1/exp/tokenizer" --vocab_size 300 >/dev/null
  each "$1" text --tokenizer "$1/exp/tokenizer" --frame_rate 12.5
}

tell() { # DIR
  awk '{n[$2 " channel " $3]++} END {for (c in n) print "  " c ": " n[c] " turns"}' "$1/dump/train/diarize/rttm" | sort
  awk '{n[$1 " channel " $2]++} END {for (c in n) print "  " c ": " n[c] " words"}' "$1/dump/train/align/ctm" | sort
  sed 's/^/  rejected: /' "$1"/dump/train/*/rejected.tsv
}

echo "== two channels without transcripts: telephone_2ch and dialog_unlabelled/two_channel_16k"
mkdir -p "$work/calls"
ln -sf "$data/telephone_2ch/auto_repairs_40.flac" "$data/dialog_unlabelled/two_channel_16k.flac" "$work/calls"
run=(egs/two_channel/dialogue1/run.sh --corpus_dir "$work/calls" --dir "$work/two_channel" --budget smoke --sets train
  --held_out 0 --nj 2 --max_rejected 100% --train_aligner "${find_words[1]}" ${MODEL:+--align.model "$MODEL"})
"${run[@]}" --stop_stage diarize >"$work/two_channel.log" 2>&1
"${run[@]}" --stage align --stop_stage text --tokenizer.vocab_size 300 >>"$work/two_channel.log" 2>&1
tell "$work/two_channel"

echo "== one microphone without transcripts: dialog_unlabelled"
mkdir -p "$work/mono/data/train"
for call in commercial_mono katiesteve; do
  echo "$call $data/dialog_unlabelled/$call.flac"
done >"$work/mono/data/train/wav.scp"
one_microphone "$work/mono" "${find_words[@]}"
tell "$work/mono"

echo "== one microphone with transcripts: telephone_clip"
mkdir -p "$work/clip/data/train"
for table in segments text utt2spk rttm; do cp "$data/telephone_clip/$table" "$work/clip/data/train/$table"; done
sed "s| | $data/telephone_clip/|" "$data/telephone_clip/wav.scp" >"$work/clip/data/train/wav.scp"
audiolm datadir fix "$work/clip/data/train" >/dev/null
one_microphone "$work/clip" --backend pocketsphinx
tell "$work/clip"
