# shellcheck shell=bash disable=SC2154 # the template sets groups
# Groups of stages that tasks share. A task's template sources this after its own block of options, if it has one:
#
#   groups="common audio recognizer codec"   # files of egs/TEMPLATE/stages
#   . utils/groups.sh
#
#   stage_corpus
#   stage_audio
#   stage units "Semantic units" --after audio … -- …    # a stage of the task's own
#   run_stages audiolm results --dir "$dir"
#
# A group is a file with a block of options (see parse_options.sh), a function group_<group> that makes variables of them,
# and functions stage_<name> that name its stages. All options are read first, then the groups are prepared in their order.
# A default in the template counts over the group's, one in the recipe's run.sh over both.

_groups_folder=${stages_folder:-$(cd -P "${BASH_SOURCE[0]%/*}/../egs/TEMPLATE/stages" && pwd)}
option_files=() # blocks of options beside those of the scripts that source each other
for _groups_name in $groups; do option_files+=("$_groups_folder/$_groups_name.sh"); done
for _groups_file in "${option_files[@]}"; do
  if [[ ! -f $_groups_file ]]; then
    echo "${0##*/}: error: groups names '$(basename "$_groups_file" .sh)', and there is no $_groups_file" >&2
    exit 1
  fi
  # shellcheck source=/dev/null
  . "$_groups_file"
done
# shellcheck source=utils/stages.sh
. "${BASH_SOURCE[0]%/*}/stages.sh"
# shellcheck source=utils/verbs.sh
. "${BASH_SOURCE[0]%/*}/verbs.sh"
for _groups_name in $groups; do
  if declare -F "group_$_groups_name" >/dev/null; then "group_$_groups_name"; fi
done
