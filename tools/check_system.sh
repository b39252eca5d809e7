#!/usr/bin/env bash
# Name everything that set-up needs from the system and does not find, one line each; exit 1 if something is missing.
# Usage: tools/check_system.sh PYTHON VENV
set -u
python=${1:?usage: check_system.sh PYTHON VENV} venv=${2:?usage: check_system.sh PYTHON VENV}
missing=0
lack() { echo "set-up: $1" >&2; missing=1; }

if ! command -v "$python" >/dev/null; then
  lack "no '$python' on the PATH: install Python 3.10, 3.11 or 3.12, or name one: make PYTHON=/path/to/python3.11"
else
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  case $version in
    3.10 | 3.11 | 3.12) ;;
    *) lack "$python is Python $version, but torch, espnet and pyannote install together on 3.10 to 3.12: make PYTHON=python3.11" ;;
  esac
  "$python" -c 'import venv, ensurepip' 2>/dev/null ||
    lack "$python has no venv module: apt-get install python3-venv"
  header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
  [ -e "$header" ] || lack "no Python headers ($header; pesq and webrtcvad compile against them): apt-get install python3-dev"
fi
command -v cc >/dev/null || command -v gcc >/dev/null ||
  lack "no C compiler (pesq and webrtcvad are compiled): apt-get install build-essential"
command -v c++ >/dev/null || command -v g++ >/dev/null ||
  lack "no C++ compiler (libsvm-official is compiled): apt-get install build-essential"
command -v git >/dev/null || lack "no git (recipes fetch corpora with it): apt-get install git"
command -v flock >/dev/null || lack "no flock (recipes lock their directory): apt-get install util-linux"

folder=$(dirname "$venv")
if [ ! -e "$venv/bin/python" ]; then
  free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1048576) }')
  [ "$free" -ge 9 ] || lack "$free GB free in $folder, but the environment takes 6 GB and the demo 3: free some, or make VENV=/elsewhere/venv"
fi
exit $missing
