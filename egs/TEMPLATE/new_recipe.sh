#!/usr/bin/env bash
# Make a recipe for another corpus: egs/<corpus>/<task>, with everything but local/data.sh ready.
#
#   egs/TEMPLATE/new_recipe.sh <corpus> <task>        # egs/TEMPLATE/new_recipe.sh fisher dialogue1
set -euo pipefail
egs=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

die() { echo "new_recipe.sh: error: $*" >&2; exit 1; }

if (($# != 2)) || [[ $1 == -* ]]; then
  awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "${BASH_SOURCE[0]}"
  [[ ${1-} == --help || ${1-} == -h ]] && exit 0
  exit 1
fi
corpus=$1 task=$2 recipe=$egs/$1/$2
[[ $corpus =~ ^[A-Za-z0-9][A-Za-z0-9_.-]*$ ]] || die "'$corpus' is no folder name: use letters, digits, '-', '_' and '.'"
tasks=$(cd "$egs/TEMPLATE" && for folder in */run.sh; do printf '%s ' "${folder%/run.sh}"; done)
[[ -f $egs/TEMPLATE/$task/run.sh ]] || die "there is no task '$task'; tasks are: ${tasks% }"
[[ ! -e $recipe ]] || die "$recipe is there already"
files=$egs/TEMPLATE/$task

# Made under another name first: what is interrupted does not look like a recipe.
mkdir -p "$egs/$corpus"
new=$(mktemp -d "$egs/$corpus/.new.XXXXXX")
trap 'rm -rf "$new"; rmdir "$egs/$corpus" 2>/dev/null || true' EXIT
chmod 755 "$new"
mkdir "$new/local"
cp "$files/path.sh" "$files/cmd.sh" "$new"
cp -rL "$files/conf" "$new/conf" # sizes that a laptop trains, to begin with
rm -rf "$new/conf/models"         # those of papers are named where they are
sed "s/CORPUS/$corpus/g" "$files/run.sh" >"$new/run.sh"
sed "s/CORPUS/$corpus/g" "$files/local/data.sh" >"$new/local/data.sh"
chmod +x "$new/run.sh" "$new/local/data.sh"
ln -s ../../../utils "$new/utils"
ln -s "../../TEMPLATE/$task/${task%%[0-9]*}.sh" "$new/${task%%[0-9]*}.sh"
mv "$new" "$recipe"
trap - EXIT

cat <<END
Made ${recipe#"$egs/"}. Now:
  1. write local/data.sh: it says what it must make of the corpus, and checks it
  2. set the corpus's options in run.sh: sample rate, sets, and what its stages need to know
  3. set sizes and schedules in conf/: they are for 8 kHz (telephone band), two cores and some
     minutes; docs/guide.md, "16 or 24 kHz", says what else to change with the sample rate
  4. cd ${recipe} && ./run.sh --dry_run
END
