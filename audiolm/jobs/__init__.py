"""Run commands as arrays of jobs, and recipes as stages that finish once. Nothing here imports torch."""
