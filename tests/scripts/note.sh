#!/bin/bash
# A responder of the most common shape: one line from stdin, no check_keys, a
# note in the response log. The working directory is Wazuh's home.

log=logs/active-responses.log

read -r message
command=$(sed -n 's/.*"command":"\([a-z]*\)".*/\1/p' <<<"$message")
srcip=$(sed -n 's/.*"srcip":"\([^"]*\)".*/\1/p' <<<"$message")

note() {
    echo "$(date '+%Y/%m/%d %H:%M:%S') note.sh: $*" >>"$log"
}

if [ -z "$srcip" ]; then
    note "the alert has no srcip"
    exit 1
fi

case $command in
add) note "would block $srcip" ;;
delete) note "would unblock $srcip" ;;
*)
    note "unknown command '$command'"
    exit 1
    ;;
esac
exit 0
