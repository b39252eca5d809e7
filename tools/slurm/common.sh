# shellcheck shell=bash
# What start.sh and stop.sh share.
PATH=$PATH:/usr/sbin:/sbin
mark="# Written by audiolm's tools/slurm/start.sh; tools/slurm/stop.sh removes this folder."

die() { echo "slurm: $*" >&2; exit 1; }

as_root() {
  if ((EUID == 0)); then "$@"; elif [[ -t 0 ]]; then sudo env "SLURM_CONF=$conf" "$@"; else
    sudo -n env "SLURM_CONF=$conf" "$@"
  fi
}

# Sets folder and conf; SLURM_CONF is for the commands that ask Slurm something.
find_folder() { # [FOLDER]
  folder=$(realpath -m "${1:-${TMPDIR:-/tmp}/audiolm-slurm-$(id -u)}")
  conf=$folder/slurm.conf
  export SLURM_CONF=$conf
}

# True where the folder is one that start.sh has made.
ours() { [[ -f $conf && $(head -n 1 "$conf") == "$mark" ]]; }

end_process() { # ID
  local tries
  as_root kill -TERM "$1" 2>/dev/null || return 0
  for ((tries = 0; tries < 50; tries++)); do
    [[ -d /proc/$1 ]] || return 0
    sleep 0.1
  done
  as_root kill -KILL "$1" 2>/dev/null || true
}
