#!/usr/bin/env bash
# Small dialogue LMs on the tokens of a recipe, each with one thing changed, after Moshi's tables 5 and 6 and its streaming
# ASR and TTS; scored and printed beside the paper's figures.
#
#   egs/mini/dialogue1/run.sh --stop_stage textlm --seed 1 --textlm.trainer.max_steps 400
#   benchmarks/lm_table/run.sh --data egs/mini/dialogue1/work/demo --dir work/lm_table
#
# Every model is conf/moshi.yaml with changes from conf/, whose names "+" joins. Each is a folder of its own, DIR/<name>;
# a training that is there is not made again, so an interrupted run goes on.
set -euo pipefail

# Begin configuration.
data=               # a recipe's work directory: archives, codec, tokenizer, text LM and recogniser are taken from there
dir=work/lm_table   # everything is written here
dialogues="heads+ladder ladder heads delay0 delay1 moshi weight100 weight100+own weight100+own+monologue"
words="speech+asr speech+tts speech+told" # recognise or speak
parallel=1          # trained at a time
seed=0              # of every training
prompt=3            # seconds that are continued
seconds=15          # length of a continuation, the prompt included
stage=train         # train, score or table: begin there
stop_stage=table    # end there
lm_args=()          # --lm.trainer.max_steps 300: over every config
generate_args=(--guidance 2.5 --tts_temperature 0.3 --tts_acoustic_temperature 0 --tts_text_temperature 0.6 --max_pause 0.5
  --tts_levels 3 --num_tts 150) # of speech: egs/mini's
# End configuration.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../utils/parse_options.sh"
. "$here/../../utils/path.sh"
if [[ ! -f $data/exp/textlm/model.safetensors ]]; then
  echo "run.sh: error: no exp/textlm in '$data', expected a recipe's work directory (--data) whose stages up to textlm are done" >&2
  exit 1
fi
parts=(--codec "$data/exp/codec" --tokenizer "$data/exp/tokenizer")

train() { # NAME
  local name=$1 exp=$dir/$1 part configs=(--config "$here/conf/moshi.yaml")
  for part in ${name//+/ }; do
    if [[ $part != moshi ]]; then configs+=(--config "$here/conf/$part.yaml"); fi
  done
  mkdir -p "$dir/log"
  # shellcheck disable=SC2086 # words
  audiolm train "${configs[@]}" --exp "$exp" --init "$data/exp/textlm" --data.train "$data/dump/train" \
    --data.valid "$data/dump/dev" --codec_init "$data/exp/codec" --trainer.seed "$seed" $settings >"$dir/log/$name.log" 2>&1 ||
    { tail -n 3 "$dir/log/$name.log" >&2; echo "run.sh: error: training $name failed, see $dir/log/$name.log" >&2; exit 1; }
}

score() { # NAME [METRIC…]
  audiolm score --dir "$data" --set test --codec "$data/exp/codec" --textlm "$data/exp/textlm" \
    --recognizer "$data/exp/recognizer" --asr pocketsphinx --lm "$dir/$1" --metrics "${@:2}"
}

score_dialogue() { # NAME
  audiolm generate --dir "$data" --sets test --lm "$dir/$1" "${parts[@]}" --modes continue --num_continue 0 \
    --prompt "$prompt" --seconds "$seconds" --seed "$seed"
  score "$1" lm continuations
}

score_words() { # NAME
  local modes=()
  if [[ $1 != *tts* ]]; then modes+=(asr); fi
  if [[ $1 != *asr* ]]; then modes+=(tts); fi
  audiolm generate --dir "$data" --sets test --lm "$dir/$1" "${parts[@]}" --modes "${modes[@]}" --seed "$seed" \
    "${generate_args[@]}"
  score "$1" "${modes[@]}"
}

runs() { # whether a stage is among those asked for
  local order="train score table"
  [[ ${order#*"$stage"} == *"$1"* || $stage == "$1" ]] && [[ ${order%%"$stop_stage"*} == *"$1"* || $stop_stage == "$1" ]]
}

if runs train; then
  export -f train
  settings="${lm_args[*]}"
  export dir data here seed settings
  # shellcheck disable=SC2086 # names are words
  printf '%s\n' $dialogues $words | xargs -P "$parallel" -I{} bash -euo pipefail -c 'train {}'
fi
if runs score; then
  for name in $dialogues; do score_dialogue "$name"; done
  for name in $words; do score_words "$name"; done
fi
if runs table; then
  # shellcheck disable=SC2086
  python3 "$here/table.py" --dir "$dir" $dialogues $words
fi
