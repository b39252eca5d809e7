# shellcheck shell=bash disable=SC2154 # the recipe sets dir, sets, nj, cmd …
# How the stages of a recipe call audiolm's verbs. They use the recipe's options dir, sets, nj, ngpu, num_nodes, max_rejected,
# and cmd and train_cmd (cmd.sh): where and how widely a verb runs is no part of its result, so a stage's command line does
# not name these.

# Where $checking names a stage (see utils/stages.sh) they run nothing, and write down what audiolm would be called with.

_note() { # VERB [OPTION…]
  printf '%s\0' "$checking" $# "$@"
}

# A recipe's script that makes the data directories.
corpus() { # SCRIPT [OPTION…]
  if [[ -n ${checking:-} ]]; then return; fi
  "$@" --dir "$dir" --nj "$nj"
}

# Whether a codec's teacher is a speech encoder of transformers, by its folder or hub id: its options go to teacher_args.
named_teacher() { # NAME
  [[ $1 == */* || -d $1 ]] || return 1
  # shellcheck disable=SC2034 # the recipe's
  teacher_args=(--teacher.backend transformers --teacher.path "$1" --teacher.layer auto)
}

# One array verb over the sets, then its parts joined and counted.
each_set() { # [--sets "NAME …"] [--gpu] [--kind KIND] VERB [OPTION…]; KIND: what it makes, where that is not its name
  local over=$sets jobs=$nj gpu=() kind=
  if [[ $1 == --sets ]]; then over=$2; shift 2; fi
  if [[ $1 == --gpu ]]; then # one GPU a job where there are any, else the cores as for other verbs
    shift
    gpu=(--gpu 0)
    if ((ngpu > 0)); then jobs=$((ngpu * ${num_nodes:-1})) gpu=(--gpu 1); fi
  fi
  if [[ $1 == --kind ]]; then kind=$2; shift 2; fi
  local verb=$1
  shift
  kind=${kind:-$verb}
  local log=$dir/log/$kind.${over// /_}.JOB.log
  # shellcheck disable=SC2086 # the names of sets are a list of words
  if [[ -n ${checking:-} ]]; then _note "$verb" --dir "$dir" --sets $over "$@"; return; fi
  # shellcheck disable=SC2086 # cmd and the names of sets are lists of words
  $cmd "${gpu[@]}" JOB=1:"$jobs" "$log" \
    audiolm "$verb" --dir "$dir" --sets $over --job JOB --num_jobs "$jobs" "$@"
  # shellcheck disable=SC2086
  audiolm merge --dir "$dir" --sets $over --kind "$kind" --num_jobs "$jobs" --max_rejected "$max_rejected" --log "$log"
}

# After a step that refuses what an array has left: the array's jobs are done again when the stage runs again. Fails.
redo_jobs() { # NAME of logs …
  local name
  for name in "$@"; do rm -f "$dir/log/$name".*.done; done
  return 1
}

# The same for a part of a stage: it is not done again because the options of another part have changed.
part() { # --sets "NAME …" VERB [OPTION…]
  if [[ -n ${checking:-} ]]; then each_set "$@"; return; fi
  local name set
  for set in $2; do # what it had made is gone
    [[ -d $dir/dump/$set/$3 ]] || rm -f "$dir/log/$3.${2// /_}".*.done
  done
  name=$(python3 -m audiolm.jobs.claim --dir "$dir" --part "$@")
  AUDIOLM_RUN=$name each_set "$@"
}

# Codec tokens of all sets; where asked, those of training also as the other speaker hears them on a call.
make_codes() { # HEARD SEED [OPTION…]; HEARD: true or false
  each_set --gpu codes "${@:3}"
  if [[ $1 == true ]]; then each_set --sets "$train_set" --gpu --kind heard codes --heard "$2" "${@:3}"; fi
}

# The audio of models, and copies left out where asked.
prepare_audio() { # DEDUP [OPTION…]
  each_set audio "${@:2}"
  if [[ $1 == true ]]; then without_copies; fi
}

# Copies among the recordings of all sets left out, and what is heard again and again listed.
without_copies() {
  if [[ -n ${checking:-} ]]; then return; fi
  local action
  for action in index search; do
    # shellcheck disable=SC2086 # cmd and the names of sets are lists of words
    $cmd JOB=1:"$nj" "$dir/log/dedup_$action.JOB.log" \
      audiolm dedup "$action" --dir "$dir" --sets $sets --job JOB --num_jobs "$nj"
  done
  # shellcheck disable=SC2086
  audiolm dedup drop --dir "$dir" --sets $sets --num_jobs "$nj" || redo_jobs dedup_index dedup_search
}

# A verb as one job, on the GPUs where there are any.
once() { # VERB [OPTION…]
  if [[ -n ${checking:-} ]]; then _note "$@"; return; fi
  $cmd --gpu "$ngpu" "$dir/log/$1.log" audiolm "$@"
}

# A codec in exp/codec: a released one, of another layout, or one that is trained.
make_codec() { # RELEASED LEVELS [OPTION of training…]; RELEASED empty: train; LEVELS empty: all
  if [[ -n $1 ]]; then
    once export --codec "$1" ${2:+--levels "$2"} --out "$dir/exp/codec"
  else
    train codec "${@:3}"
  fi
}

# A text tokenizer in exp/tokenizer: that of a released LM, or one that is trained.
make_tokenizer() { # TAKEN [OPTION of training…]; TAKEN empty: train
  if [[ -n $1 ]]; then
    once tokenizer --take "$1" --out "$dir/exp/tokenizer"
  else
    once tokenizer --out "$dir/exp/tokenizer" "${@:2}"
  fi
}

# A text LM in exp/textlm: one that is there, of another layout too, or one that is trained.
make_textlm() { # TEXTLM [OPTION of training…]; TEXTLM empty: train
  if [[ -n $1 ]]; then
    once export --textlm "$1" --out "$dir/exp/textlm"
  else
    train textlm "${@:2}"
  fi
}

# What a dialogue LM starts from: in exp/lm_init a released LM, of another layout, or in exp/textlm a text LM that is trained.
make_start() { # RELEASED [OPTION of training…]; RELEASED empty: train
  if [[ -n $1 ]]; then
    once export --lm "$1" --out "$dir/exp/lm_init"
  else
    train textlm "${@:2}"
  fi
}

# Train a model into exp/NAME. A training that was interrupted goes on; one with other options or on other data is moved
# to $dir/old first (audiolm/jobs/claim.py).
train() { # NAME [OPTION…]
  local name=$1 exp=$dir/exp/$1 devices=$((ngpu > 1 ? ngpu : 1))
  shift
  if [[ -n ${checking:-} ]]; then _note train --exp "$exp" "$@"; return; fi
  python3 -m audiolm.jobs.claim --dir "$dir" "$exp" "$@"
  ${train_cmd:-$cmd} --gpu "$ngpu" --nodes "${num_nodes:-1}" --tasks "$devices" "$dir/log/train_$name.log" \
    audiolm train --exp "$exp" --trainer.devices "$devices" --trainer.num_nodes "${num_nodes:-1}" "$@"
}
