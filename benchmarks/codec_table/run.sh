#!/usr/bin/env bash
# Train small codecs on the same real speech for the same number of steps, score them on unseen speakers, print one table.
#
#   benchmarks/codec_table/data.sh --corpora "$(echo ../shared/data/{librispeech_*_*,ljspeech,fsdd})" --dir work/codec_table
#   benchmarks/codec_table/run.sh --dir work/codec_table
#
# Whisper's encoder teaches in one more row: --codecs "mimi whisper no_distillation" --whisper /weights/whisper-tiny.en
#
# Every codec is conf/mimi.yaml, with changes from conf/ or from the published ablations. Each is a folder of its own,
# DIR/<name>; what is there is not made again, so an interrupted run goes on.
set -euo pipefail

# Begin configuration.
dir=work/codec_table   # of data.sh; everything is written here
pairs="mimi,no_distillation mimi,no_split no_split,no_split+no_distillation" # whose differences are told, of the codecs
codecs="mimi no_distillation no_split no_split+no_distillation encodec soundstream dac" # +: both changes
parallel=1             # codecs trained at a time
init=                  # a codec of the table that the trainings start from; empty: from random weights
steps=3000             # of every training
seed=0                 # of every training
whisper=openai/whisper-tiny.en # the teacher of codecs with "whisper" in their names: folder or hub id of transformers
stage=train            # train, score or table: begin there
stop_stage=table       # end there
# End configuration.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../utils/parse_options.sh"
. "$here/../../utils/path.sh"
models=$here/../../egs/TEMPLATE/codec1/conf/models

changes() { # NAME -> --config options
  local part file found
  echo "--config $here/conf/mimi.yaml"
  for part in ${1//+/ }; do
    found=$here/conf/$part.yaml
    for file in "$found" "$models/ablations/$part.yaml"; do if [[ -f $file ]]; then found=$file; break; fi; done
    if [[ ! -f $found ]]; then
      echo "run.sh: error: no $part.yaml in $here/conf or $models/ablations" >&2
      return 1
    fi
    if [[ $part != mimi ]]; then echo "--config $found"; fi
  done
}

taught() { # NAME -> by whom: whisper, recognizer, nobody
  case $1 in
    *whisper*) echo whisper ;;
    *no_distillation* | encodec | soundstream | dac) echo nobody ;;
    *) echo recognizer ;;
  esac
}

train() { # NAME
  local teacher=() start=() work=$dir/$1 configs
  if [[ -n $init ]]; then start=(--init "$dir/$init/exp/codec"); fi
  configs=$(changes "$1")
  mkdir -p "$work/dump" "$work/log"
  for set in train dev test; do
    mkdir -p "$work/dump/$set" "$dir/dump/$set/phones"
    for kind in audio phones; do ln -sfn "$(realpath "$dir/dump/$set/$kind")" "$work/dump/$set/$kind"; done
  done
  ln -sfn "$(realpath "$dir/data")" "$work/data"
  case $(taught "$1") in
    whisper) teacher=(--teacher.path "$whisper") ;;
    recognizer) teacher=(--teacher.path "$dir/exp/recognizer") ;;
  esac
  # shellcheck disable=SC2086 # the configs are words
  audiolm train $configs --exp "$work/exp/codec" --train_dir "$dir/dump/train/audio" \
    --valid_dir "$dir/dump/dev/audio" --trainer.max_steps "$steps" --trainer.seed "$seed" "${teacher[@]}" "${start[@]}" \
    >"$work/log/train.log" 2>&1 ||
    { tail -n 3 "$work/log/train.log" >&2; echo "run.sh: error: training $1 failed, see $work/log/train.log" >&2; exit 1; }
}

score() { # NAME
  local work=$dir/$1
  audiolm codes --dir "$work" --sets dev test --codec "$work/exp/codec" --job 1 --num_jobs 1
  audiolm merge --dir "$work" --sets dev test --kind codes --num_jobs 1 --max_rejected 0%
  audiolm score --dir "$work" --set test --metrics codec abx --asr pocketsphinx --codec "$work/exp/codec"
}

runs() { # whether a stage is among those asked for
  local order="train score table"
  [[ ${order#*"$stage"} == *"$1"* || $stage == "$1" ]] && [[ ${order%%"$stop_stage"*} == *"$1"* || $stop_stage == "$1" ]]
}

if runs train; then
  teachers=$(for codec in $codecs; do taught "$codec"; done)
  if [[ $teachers == *recognizer* && ! -f $dir/exp/recognizer/model.safetensors ]]; then
    audiolm train --config "$here/conf/recognizer.yaml" --exp "$dir/exp/recognizer" \
      --train_data "$dir/dump/train/audio" --valid_data "$dir/dump/dev/audio"
  fi
  export -f train changes taught
  export dir here models init steps seed whisper
  # shellcheck disable=SC2086 # names are words
  printf '%s\n' $codecs | xargs -P "$parallel" -I{} bash -euo pipefail -c 'train {}'
fi
if runs score; then
  for codec in $codecs; do score "$codec"; done
fi
if runs table; then
  # shellcheck disable=SC2086
  python3 "$here/table.py" --dir "$dir" $codecs
  told=()
  for pair in $pairs; do
    if [[ " $codecs " == *" ${pair%,*} "* && " $codecs " == *" ${pair#*,} "* ]]; then told+=("$pair"); fi
  done
  if ((${#told[@]})); then python3 "$here/differences.py" --dir "$dir" "${told[@]}"; fi
fi
