#!/usr/bin/env bash
# Stages 1 to 7 of the dialogue recipes on real calls, and what cannot run on them: one line each.
#
#   benchmarks/real_dialogues.sh ../shared/data [WORK]
#
# telephone_2ch, dialog_unlabelled: no transcripts, so words need a Whisper model (WHISPER: its size, file or folder). telephone_clip: one microphone with
# transcripts, which diarization parts into two streams. WORK (default: a temporary folder) keeps what was made.
set -euo pipefail
data=$(cd "$1" && pwd)
work=${2:-$(mktemp -d)}
mkdir -p "$work"
work=$(cd "$work" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. egs/two_channel/dialogue1/utils/path.sh

each() { # DIR SET VERB [OPTION…]: an array verb as one job
  audiolm "$3" --dir "$1" --sets "$2" "${@:4}" >/dev/null
  audiolm merge --dir "$1" --sets "$2" --kind "$3" --num_jobs 1 --max_rejected 100%
}
count() { awk -v what="$2" '{n[$2 " channel " $3]++} END {for (c in n) print "  " c ": " n[c] " " what}' "$1" | sort; }
words() { awk '{n[$1 " channel " $2]++} END {for (c in n) print "  " c ": " n[c] " words"}' "$1" | sort; }

echo "== two channels without transcripts: telephone_2ch and dialog_unlabelled/two_channel_16k"
mkdir -p "$work/calls"
ln -sf "$data/telephone_2ch/auto_repairs_40.flac" "$data/dialog_unlabelled/two_channel_16k.flac" "$work/calls"
run=(egs/two_channel/dialogue1/run.sh --corpus_dir "$work/calls" --dir "$work/two_channel" --budget smoke --sets train
  --held_out 0 --nj 2 --train_aligner whisper_timestamped --align.model "${WHISPER:-tiny}")
"${run[@]}" --stop_stage diarize >"$work/two_channel.log" 2>&1
count "$work/two_channel/dump/train/diarize/rttm" "turns (rttm)"
for stage in recognizer align tokenizer text; do
  if "${run[@]}" --stage "$stage" --stop_stage "$stage" >"$work/$stage.log" 2>&1; then
    echo "  stage $stage: done"
  else
    echo "  stage $stage: $(grep -m 1 "error: " "$work/$stage.log" | sed 's/^ *//')"
  fi
done

echo "== one microphone without transcripts: dialog_unlabelled"
mono=$work/mono
mkdir -p "$mono/data/test"
for call in commercial_mono katiesteve; do echo "$call $data/dialog_unlabelled/$call.flac"; done >"$mono/data/test/wav.scp"
each "$mono" test audio --fs 8000
each "$mono" test diarize --backend embedded --num_speakers 2 --streams
awk '{n[$2 " speaker " $8]++} END {for (c in n) print "  " c ": " n[c] " turns (rttm)"}' "$mono/dump/test/diarize/rttm" | sort

echo "== one microphone with transcripts: telephone_clip"
clip=$work/clip streams=$work/clip_streams
mkdir -p "$clip/data/test" "$streams/data"
for table in segments text utt2spk rttm; do cp "$data/telephone_clip/$table" "$clip/data/test/$table"; done
sed "s| | $data/telephone_clip/|" "$data/telephone_clip/wav.scp" >"$clip/data/test/wav.scp"
audiolm datadir fix "$clip/data/test" >/dev/null
each "$clip" test audio --fs 8000
each "$clip" test diarize --backend embedded --num_speakers 2 --streams
ln -sfn "$clip/dump/test/streams" "$streams/data/test"
each "$streams" test audio --fs 8000
each "$streams" test align --backend pocketsphinx
words "$streams/dump/test/align/ctm"
audiolm tokenizer --text "$streams/dump/test/audio/text" --out "$streams/exp/tokenizer" --vocab_size 300 >/dev/null
each "$streams" test text --tokenizer "$streams/exp/tokenizer" --frame_rate 12.5
cat "$streams"/dump/test/align/rejected.tsv
