# shellcheck shell=bash disable=SC2154 # the recipe sets dir, sets, nj, cmd …
# Stages that finish once. A recipe's script sources this (". utils/stages.sh") after its block of options (see
# parse_options.sh), names its stages in order, and ends with run_stages, which may take a command to end with:
#
#   stage audio "Resample, one channel a file" --after corpus --out "dump/*/audio" -- each_set audio --fs "$fs"
#
#   --after "NAME …"   the earlier stages whose outputs it reads
#   --out "PATTERN …"  what it writes, under $dir; it is redone when these are gone
#   --files "FILE …"   files it reads that are no words of its command
#   --unless REASON    not needed where REASON is not empty ("--codec names a trained one")
#
# The command names every option that changes the result, and no other (nj, ngpu, cmd): when a word of it changes, or the
# content of a file that it names, or a stage that it comes after is redone, the stage runs again and says why. All of a
# recipe's work is in the folder $dir, which the recipe sets before run_stages; marks are in $dir/.stages.

# Begin configuration.
stage=            # first stage to run, by name or number
stop_stage=       # last stage to run, by name or number
list=false        # print the stages and stop
dry_run=false     # print what would run, why, and what it is expected to cost, and stop
force=false       # run the stages again though they are done
probe=${AUDIOLM_PROBE:-true} # where the stages were timed, measure this machine for some seconds to tell their time here
write_measured=false # after a complete run write time, memory and disk of each stage to measured/<budget>.tsv
# End configuration.

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  echo "${0##*/}: error: bash $BASH_VERSION is too old for the recipes; bash 4.4 or later is needed" >&2
  exit 1
fi
_stages_given="$*"
# shellcheck source=utils/parse_options.sh
. "${BASH_SOURCE[0]%/*}/parse_options.sh"
if (($#)); then
  echo "${0##*/}: error: '$1' is no option; options begin with -- (--help lists all)" >&2
  exit 1
fi

_stages_plan=()            # fields of every stage, as audiolm.jobs.stages.read_plan takes them
declare -A _stages_command=() # name -> its command, quoted for eval

stage() { # NAME TITLE [--after …] [--out …] [--files …] [--unless …] -- COMMAND…
  local name=$1 title=$2 after='' files='' out='' unless='' function=''
  shift 2
  while [[ $1 != -- ]]; do
    case $1 in
      --after | --files | --out | --unless) printf -v "${1#--}" %s "$2" ;;
      *) echo "stage $name: error: '$1' is none of --after, --files, --out, --unless, --" >&2; exit 1 ;;
    esac
    shift 2
  done
  shift
  if _stages_is_own_function "$1"; then function=$(declare -f "$1"); fi
  _stages_plan+=("$name" "$title" "$after" "$files" "$out" "$unless" "$function" "$#" "$@")
  printf -v "_stages_command[$name]" '%q ' "$@"
}

# True for a function of the recipe itself: its text belongs to what the stage does. Those of utils/ are as the verbs.
_stages_is_own_function() {
  local at
  declare -F "$1" >/dev/null || return 1
  shopt -s extdebug
  at=$(declare -F "$1")
  shopt -u extdebug
  [[ $at != *"${BASH_SOURCE[0]%/*}"/* ]]
}

# Looks at the options of the verbs that the stages still to run would call, before the first of them runs. Functions of
# utils/ call nothing else than verbs, nor do those of the recipe that $checkable names; what others call is not known.
_stages_check() {
  local names name function
  names=$(printf '%s\0' "${_stages_plan[@]}" | python3 -m audiolm.jobs.pending --dir "$dir" --stage "$stage" \
    --stop_stage "$stop_stage" --force "$force") || exit 1
  [[ -n $names ]] || return 0
  # shellcheck disable=SC2086 # the names of sets are a list of words
  for name in $names; do
    function=${_stages_command[$name]%% *}
    if declare -F "$function" >/dev/null &&
      { ! _stages_is_own_function "$function" || [[ " ${checkable:-} " == *" $function "* ]]; }; then
      # shellcheck disable=SC2034 # verbs.sh reads it
      (checking=$name && eval "${_stages_command[$name]}")
    fi
  done | audiolm check --dir "$dir" --fs "${fs:-}" --frame_rate "${frame_rate:-}" --mark "$dir/.stages/checked" \
    --sets ${sets:-} ${untranscribed:+--untranscribed} || exit 1
}

_stages_ask() { # ACTION [OPTION…]: see audiolm/jobs/recipe.py
  local action=$1
  shift
  printf '%s\0' "${_stages_plan[@]}" | python3 -m audiolm.jobs.recipe "$action" --dir "$dir" --stage "$stage" \
    --stop_stage "$stop_stage" --force "$force" --budget "${budget:-}" --measured "$(_stages_table)" --probe "$probe" \
    --jobs "${nj:-2}" --fs "${fs:-}" --given="$_stages_given" "$@"
}

_stages_table() { # what the stages cost where the recipe was timed: on CPUs, or with GPUs
  local with=
  if ((${ngpu:-0} > 0)); then with=_gpu; fi
  echo "measured/${budget:-default}$with.tsv"
}

run_stages() { # [COMMAND…]: what to do at the end of a run to the last stage
  if [[ $list == true ]]; then _stages_ask list; return; fi
  if [[ $dry_run == true ]]; then _stages_ask dry_run; return; fi
  local why
  if ! why=$(mkdir -p "$dir/.stages" 2>&1); then
    echo "${0##*/}: error: ${why#mkdir: }; name a folder that can be written with --dir" >&2
    exit 1
  fi
  exec {_stages_lock}>>"$dir/.stages/lock"
  local next name='' status
  _stages_check
  if [[ $write_measured == true || -f $(_stages_table) ]]; then
    _stages_ask estimate --record "$write_measured" {_stages_lock}>&- || exit
  fi
  while true; do
    next=$(_stages_ask next --past "$name" --lock "$_stages_lock") || exit 1
    [[ -n $next ]] || break
    name=${next%% *}
    # shellcheck disable=SC2086 # three words
    _stages_run $next
    if [[ $name == corpus ]]; then _stages_check; fi # more is known of the data now
  done
  if [[ $write_measured == true ]]; then _stages_ask measured; fi
  if [[ -z $stop_stage ]]; then "$@"; fi
}

_stages_run() { # NAME RUN AFTER
  local status=0 monitor memory=$dir/.stages/$1.memory times=$dir/.stages/$1.times
  python3 -m audiolm.jobs.monitor --shell $$ --out "$memory" &
  monitor=$!
  times >"$times"
  set +e # errexit inside the parentheses counts only where their status is not tested at once
  (
    set -euo pipefail
    export AUDIOLM_RUN=$2 AUDIOLM_AFTER=$3
    eval "${_stages_command[$1]}"
  )
  status=$?
  set -e
  times >>"$times"
  kill "$monitor"
  wait "$monitor" || true
  if ((status)); then
    echo "${0##*/}: error: stage $1 failed (status $status); mend the cause, and the same command goes on from there" >&2
    exit "$status"
  fi
  _stages_ask finish --past "$1" --memory "$memory" --times "$times" || exit 1
}
