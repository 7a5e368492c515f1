#!/bin/bash
# Takes OSSEC's arguments when there are any, else the message.
if [ -n "$3" ]; then
    verb=$1 srcip=$3
else
    read -r line
    verb=$(sed -n 's/.*"command":"\([a-z]*\)".*/\1/p' <<<"$line")
    srcip=$(sed -n 's/.*"srcip":"\([^"]*\)".*/\1/p' <<<"$line")
fi
echo "either.sh: $verb $srcip" >>logs/active-responses.log
