# shellcheck shell=bash disable=SC2034
# Two cores, about an hour: longer schedules of the same models.
hours=3
