#!/bin/bash
# A script of 4.x whose definition still has the <expect> of its forerunner.
read -r line
verb=$(sed -n 's/.*"command":"\([a-z]*\)".*/\1/p' <<<"$line")
srcip=$(sed -n 's/.*"srcip":"\([^"]*\)".*/\1/p' <<<"$line")
echo "leftover.sh: $verb $srcip" >>logs/active-responses.log
