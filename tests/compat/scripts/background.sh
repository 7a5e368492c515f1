#!/bin/bash
# Leaves a child behind that keeps its outputs open, and ends.
read -r line
verb=$(sed -n 's/.*"command":"\([a-z]*\)".*/\1/p' <<<"$line")
if [ "$verb" = add ]; then
    (exec 0<&-; while [ -e alerts.json ]; do sleep 1; done) &
fi
echo "background.sh: $verb" >>logs/active-responses.log
