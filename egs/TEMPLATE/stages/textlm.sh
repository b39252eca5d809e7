# shellcheck shell=bash disable=SC2034,SC2154 # variables are for templates
# The text LM

# Begin configuration.
textlm_config=conf/textlm.yaml # of the text LM's training; of several files the later ones override: "base.yaml more.yaml"
textlm_args=()          # settings over those of the config, such as --textlm.trainer.max_steps 100
# End configuration.

group_textlm() {
  local file
  textlm_configs=()
  for file in $textlm_config; do textlm_configs+=(--config "$file"); done
}
