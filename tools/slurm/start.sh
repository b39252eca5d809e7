#!/usr/bin/env bash
# Start a Slurm of this machine's own, to try and test cluster jobs on: two nodes, both of them this machine.
#
#   eval "$(tools/slurm/start.sh [FOLDER])"   sets SLURM_CONF, by which sbatch, squeue … find it
#   tools/slurm/stop.sh [FOLDER]              ends it and all of its jobs, and removes the folder
#
# Everything it writes is in FOLDER (default: audiolm-slurm-<user id> in the folder for temporary files). It needs root or
# sudo, no systemd, and installs Debian's slurm-wlm and munge where they are missing. Started twice, it stays as it is.
# CPUS=4 and MEMORY=4000 (MB) say what each node seems to have, whatever the machine has.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=common.sh
. "$here/common.sh"

find_folder "${1-}"
if [[ -e $folder ]] && ! ours && [[ -n $(ls -A "$folder") ]]; then
  die "$folder is not empty, and is no folder of this script; name one that is"
fi
[[ $folder != *[[:space:]%]* ]] || die "slurm.conf takes no path with blanks or %, such as $folder; name another one"
((${#folder} < 80)) || die "the path $folder is too long for a socket; name a shorter one"
((EUID == 0)) || command -v sudo >/dev/null || die "only root can start Slurm's daemons, and there is no sudo"

install_packages() {
  local log=$folder/install.log
  command -v apt-get >/dev/null ||
    die "no slurmctld, slurmd, munged, and no apt-get to install slurm-wlm and munge with; install Slurm yourself"
  echo "slurm: installing slurm-wlm and munge" >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >"$log" 2>&1 ||
    { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge; } \
      >"$log" 2>&1 || die "apt-get cannot install slurm-wlm and munge: $(tail -n 1 "$log")"
}

free_port() { # FROM: the first port from there on that nothing listens on
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}

write_conf() {
  local first host memory=${MEMORY:-4000} cpus=${CPUS:-4}
  host=$(uname -n)
  first=$(free_port $((20000 + RANDOM % 10000)))
  cat <<CONF
$mark
ClusterName=audiolm
SlurmctldHost=${host%%.*}(127.0.0.1)
SlurmctldPort=$first
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
EnforcePartLimits=ALL
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=5
SchedulerParameters=bf_interval=3,sched_interval=5
SlurmdParameters=config_overrides
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
NodeName=node1 NodeAddr=127.0.0.1 Port=$(free_port $((first + 1))) CPUs=$cpus RealMemory=$memory
NodeName=node2 NodeAddr=127.0.0.1 Port=$(free_port $((first + 11))) CPUs=$cpus RealMemory=$memory
PartitionName=main Nodes=node1,node2 Default=YES PriorityTier=1
PartitionName=urgent Nodes=node1,node2 PriorityTier=2
PartitionName=closed Nodes=node1,node2 AllowAccounts=nobody
CONF
}

is_up() {
  local states
  ours && [[ $(scontrol ping 2>/dev/null) == *" is UP"* ]] && states=$(sinfo -h -N -o %T) &&
    ! grep -qEv '^(idle|mixed|allocated|completing|drained|draining)$' <<<"$states"
}

if ! is_up; then
  "$here/stop.sh" "$folder" 2>/dev/null
  mkdir -p "$folder"
  chmod 755 "$folder"
  for program in slurmctld slurmd munged sbatch; do
    command -v "$program" >/dev/null || { install_packages; break; }
  done
  mkdir "$folder/munge" "$folder/state"
  write_conf >"$conf"
  (umask 077 && head -c 128 /dev/urandom >"$folder/munge/key")
  as_root chown -R root "$folder/munge"
  as_root munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" 2>"$folder/munged.err" ||
    die "munged does not start: $(tail -n 1 "$folder/munged.err")"
  for daemon in slurmctld "slurmd -N node1" "slurmd -N node2"; do
    # shellcheck disable=SC2086 # a program and its options
    as_root $daemon -f "$conf" >>"$folder/start.log" 2>&1 || die "$daemon does not start: $(tail -n 1 "$folder/start.log")"
  done
  for ((tries = 0; ; tries++)); do
    ! is_up || break
    ((tries < 100)) || die "Slurm's nodes are not up after 20 s; see $folder/*.log: $(sinfo -h -N -o '%N %T %E' 2>&1 | tail -n 1)"
    sleep 0.2
  done
fi
echo "export SLURM_CONF=$(printf %q "$conf")"
