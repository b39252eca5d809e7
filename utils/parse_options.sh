# shellcheck shell=bash
# Options from the command line: source this (". utils/parse_options.sh") after a block of defaults such as
#
#   # Begin configuration.
#   nj=4                # jobs at a time
#   codec_args=()       # --codec.<key> <value>: settings of the codec's config
#   # End configuration.
#
# --nj 8 and --nj=8 set a variable of the block (dashes in names stand for underscores); --codec.quantizer.n_q 16 appends
# "--quantizer.n_q 16" to codec_args, and --audio.downmix "--downmix" to audio_args; an option whose default is false needs
# no value. --help prints the block.
# Where a block has a budget, conf/budgets/$budget.sh is sourced before the other options count, then any --config FILE.
# Where scripts source each other each may have a block: the default of the outermost one counts. Files that the array
# option_files names have blocks too, under the others'; --help shows their options under their second line, a title. What does not begin
# with -- stays in "$@" for the caller; so does everything from the first such word on.

_po_die() { echo "${0##*/}: error: $*" >&2; exit 1; }

# Scripts whose blocks count, the innermost first. A script may have changed directory since it was found.
_po_scripts=(${option_files[@]+"${option_files[@]}"})
_po_count=${#_po_scripts[@]} # of them, those of option_files
for _po_script in "${BASH_SOURCE[@]:1}"; do
  [[ -f $_po_script ]] || _po_script=$OLDPWD/$_po_script
  _po_scripts+=("$_po_script")
done

_po_block() { sed -n '/^# [Bb]egin configuration/,/^# [Ee]nd configuration/p' "$1"; }

# Variables of all blocks, in order of the outermost script first, what is said about each, and the file of option_files
# that it belongs to, by its place.
_po_names=()
declare -A _po_comments=() _po_files=()
_po_read_blocks() {
  local i line name
  for ((i = ${#_po_scripts[@]} - 1; i >= 0; i--)); do
    while IFS= read -r line; do
      [[ $line =~ ^([A-Za-z_][A-Za-z0-9_]*)= ]] || continue
      name=${BASH_REMATCH[1]}
      if ((i < _po_count)); then _po_files[$name]=$i; fi
      [[ -n ${_po_comments[$name]+set} ]] || { _po_names+=("$name"); _po_comments[$name]=; }
      if [[ -z ${_po_comments[$name]} && $line =~ [[:space:]]#[[:space:]]*(.*)$ ]]; then
        _po_comments[$name]=${BASH_REMATCH[1]}
      fi
    done < <(_po_block "${_po_scripts[i]}")
  done
  ((${#_po_names[@]})) || _po_die "there is no '# Begin configuration.' … '# End configuration.' block to take options from"
}

_po_is_array() { [[ $(declare -p "$1" 2>/dev/null) == "declare -a"* ]]; }

_po_help() {
  local i script=${_po_scripts[-1]}
  awk 'NR > 1 && !/^#/ { exit } NR > 1 && !/^# shellcheck/ { sub(/^# ?/, ""); print }' "$script" # its comment at the top
  echo
  echo "Options (defaults in brackets):"
  for i in '' $(seq 0 $((_po_count - 1))); do
    if [[ -n $i ]]; then printf '\n%s:\n' "$(sed -n '2s/^# *//p' "${_po_scripts[i]}")"; fi
    _po_help_of "$i"
  done
  if ((_po_count)); then echo; fi
  printf '  --%-18s %s\n' "config FILE" "a shell file of defaults, read before the other options"
}

_po_help_of() { # FILE: its options, by its place in option_files; empty: those of no such file
  local name value option
  for name in "${_po_names[@]}"; do
    [[ ${_po_files[$name]-} == "$1" ]] || continue
    option=$name value=${!name-}
    if _po_is_array "$name"; then
      local -n _po_array=$name
      option=${name%_args}.KEY value="${_po_array[*]-}"
      unset -n _po_array
    fi
    printf '  --%-18s %s%s\n' "$option" "${_po_comments[$name]}" "${value:+ [$value]}"
  done
}

_po_unknown() { # OPTION CHOICES…: say so, with the nearest choice
  local hint
  hint=$(python3 -c 'import sys; from audiolm.errors import did_you_mean; print(did_you_mean(sys.argv[1], sys.argv[2:]))' "$@")
  _po_die "unknown option --$1$hint (--help lists all)"
}

_po_source() { # FILE OPTION
  [[ -f $1 ]] || _po_die "$2: there is no file $1"
  # shellcheck disable=SC1090
  . "$1"
}

_po_budget() { # NAME: source the budget's file
  local file=conf/budgets/$1.sh hint names
  if [[ ! -f $file ]]; then
    names=(conf/budgets/*.sh) names=("${names[@]##*/}")
    hint=$(python3 -c 'import sys; from audiolm.errors import did_you_mean; print(did_you_mean(sys.argv[1], sys.argv[2:]))' \
      "$1" "${names[@]%.sh}")
    _po_die "--budget $1: there is no $file$hint"
  fi
  _po_source "$file" --budget
}

_po_set() { # NAME VALUE
  local name=$1 value=$2 choices=() known
  for known in "${_po_names[@]}"; do
    if _po_is_array "$known"; then choices+=("${known%_args}."); else choices+=("$known"); fi
  done
  if [[ $name == *.* ]]; then
    [[ " ${choices[*]} " == *" ${name%%.*}. "* ]] || _po_unknown "$name" "${choices[@]/%./.${name#*.}}"
    local -n _po_array=${name%%.*}_args
    _po_array+=("--${name#*.}" ${value:+"$value"}) # without a value: a switch
    return
  fi
  [[ " ${choices[*]} " == *" $name "* ]] || _po_unknown "$name" "${choices[@]}" config help
  case ${!name} in
    true | false) [[ $value == true || $value == false ]] || _po_die "--$name $value: expected true or false" ;;
  esac
  if [[ ${!name} =~ ^[0-9]+$ ]]; then
    [[ $value =~ ^[0-9]+(\.[0-9]+)?$ ]] || _po_die "--$name $value: expected a number, such as ${!name}"
  fi
  printf -v "$name" %s "$value"
}

_po_is_flag() { [[ -n ${_po_comments[$1]+set} && (${!1} == true || ${!1} == false) ]]; }

# Splits the command line into _po_pairs (name value …) and _po_rest.
_po_split() {
  local name value
  _po_pairs=() _po_rest=()
  while (($#)) && [[ $1 == -h || $1 == --?* ]]; do
    name=${1#--}
    shift
    value=
    case $name in
      -h | help) name=help ;;
      *=*) value=${name#*=} name=${name%%=*} ;;
    esac
    [[ $name == *.* ]] || name=${name//-/_}
    _po_pairs+=("$name")
    if [[ $name == help || ${value:+set} ]]; then
      :
    elif [[ $name != *.* ]] && _po_is_flag "$name" && [[ ${1-} != true && ${1-} != false ]]; then
      value=true
    elif (($#)) && [[ $1 != --* ]]; then
      value=$1
      shift
    elif [[ $name != *.* && ($name == config || -n ${_po_comments[$name]+set}) ]]; then
      _po_die "--$name needs a value"
    fi
    _po_pairs+=("$value")
  done
  if [[ ${1-} == -- ]]; then shift; fi
  _po_rest=("$@")
}

_po_read_blocks
for _po_script in "${_po_scripts[@]}"; do
  eval "$(_po_block "$_po_script")"
done
_po_split "$@"
if [[ -n ${_po_comments[budget]+set} ]]; then
  for ((_po_i = 0; _po_i < ${#_po_pairs[@]}; _po_i += 2)); do
    if [[ ${_po_pairs[_po_i]} == budget ]]; then budget=${_po_pairs[_po_i + 1]}; fi
  done
  _po_budget "$budget"
fi
for ((_po_i = 0; _po_i < ${#_po_pairs[@]}; _po_i += 2)); do
  if [[ ${_po_pairs[_po_i]} == config ]]; then _po_source "${_po_pairs[_po_i + 1]}" --config; fi
done
_po_wants_help=false
for ((_po_i = 0; _po_i < ${#_po_pairs[@]}; _po_i += 2)); do
  case ${_po_pairs[_po_i]} in
    help) _po_wants_help=true ;;
    config) ;;
    *) _po_set "${_po_pairs[_po_i]}" "${_po_pairs[_po_i + 1]}" ;;
  esac
done
if $_po_wants_help; then
  _po_help
  exit 0
fi
set -- "${_po_rest[@]}"
