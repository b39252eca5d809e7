# shellcheck shell=bash disable=SC2034
# The sizes and schedules of conf/*.yaml.
