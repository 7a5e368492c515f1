#!/bin/sh
# A response in the old way: one line of JSON on standard input. It never
# answers, and is undone all the same.
read -r line
command=$(printf '%s' "$line" | sed -n 's/.*"command":"\([a-z]*\)","parameters".*/\1/p')
address=$(printf '%s' "$line" | sed -n 's/.*"srcip":"\([0-9a-f.:]*\)".*/\1/p')
echo "$(date +%T) the script was told to $command $address" >>tell.log
