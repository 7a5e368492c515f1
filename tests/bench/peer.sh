#!/bin/bash
# What a custom response usually looks like in Bash, for comparison: one line
# from stdin, two fields by jq, one line to a log. Needs jq.

log=logs/active-responses.log

read -r message
command=$(printf '%s' "$message" | jq -r '.command')
srcip=$(printf '%s' "$message" | jq -r '.parameters.alert.data.srcip // empty')

if [ -z "$srcip" ]; then
    echo "$(date) no address in the alert" >>"$log"
    exit 1
fi

echo "$(date) $command $srcip" >>"$log"
exit 0
