#!/bin/bash
# A responder that logs as Wazuh's own programs do: what it reads and what it
# writes, each line with the time and the path it was called by.

log() {
    echo "$(date '+%Y/%m/%d %H:%M:%S') $0: $*" >>logs/active-responses.log
}

log Starting
read -r message
log "$message"
case $message in
*'"command":"add"'*)
    address=$(sed -n 's/.*"srcip":"\([^"]*\)".*/\1/p' <<<"$message")
    keys="{\"version\":1,\"origin\":{\"name\":\"${0##*/}\",\"module\":\"active-response\"},\"command\":\"check_keys\",\"parameters\":{\"keys\":[\"$address\"]}}"
    log "$keys"
    echo "$keys"
    read -r answer
    log "$answer"
    case $answer in
    *'"command":"abort"'*)
        log Aborted
        exit 0
        ;;
    esac
    ;;
esac
log Ended
