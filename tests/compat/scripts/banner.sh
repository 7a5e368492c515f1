#!/bin/bash
# Says something else first, and waits for an answer as if it were its keys.
read -r line
echo "banner.sh 1.0, starting"
verb=$(sed -n 's/.*"command":"\([a-z]*\)".*/\1/p' <<<"$line")
if [ "$verb" = add ]; then
    read -r answer
    verb="$verb, $(sed -n 's/.*"command":"\([a-z]*\)".*/\1/p' <<<"$answer")"
fi
echo "banner.sh: $verb" >>logs/active-responses.log
