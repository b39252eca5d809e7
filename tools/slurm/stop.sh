#!/usr/bin/env bash
# End the Slurm that tools/slurm/start.sh has started, and all of its jobs; remove its folder.
# Usage: tools/slurm/stop.sh [FOLDER]; without it the folder of SLURM_CONF, where that is set
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=common.sh
. "$here/common.sh"

find_folder "${1:-${SLURM_CONF:+$(dirname "$SLURM_CONF")}}"
ours || { echo "slurm: nothing runs in $folder" >&2; exit 0; }

jobs_left() { squeue -h -o %A 2>/dev/null; }

# Process ids of what belongs to a job of this Slurm.
job_processes() {
  as_root grep -slzxF "SLURM_CONF=$conf" /proc/[0-9]*/environ | as_root xargs -r grep -slz '^SLURM_JOB_ID=' | cut -d/ -f3 ||
    true # there are none
}

if [[ $(scontrol ping 2>/dev/null) == *" is UP"* ]]; then
  # shellcheck disable=SC2046 # a list of ids
  if [[ -n $(jobs_left) ]]; then as_root scancel $(jobs_left | sort -u) || true; fi
  for ((tries = 0; tries < 100; tries++)); do
    [[ -n $(jobs_left) ]] || break
    sleep 0.2
  done
fi
for file in "$folder"/slurmd-*.pid "$folder/slurmctld.pid" "$folder/munged.pid"; do
  if [[ -s $file ]]; then end_process "$(<"$file")"; fi
done
for process in $(job_processes); do as_root kill -KILL "$process" 2>/dev/null || true; done
as_root rm -rf "$folder"
