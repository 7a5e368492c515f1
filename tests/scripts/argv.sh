#!/bin/sh
# A responder of OSSEC's shape: arguments, no stdin, one line for each run in
# the response log, with the path it was called by.

action=$1
user=$2
address=$3

cd "$(dirname "$0")/../.." || exit 1
echo "$(date) $0 $1 $2 $3 $4 $5" >>logs/active-responses.log

if [ "$address" = "-" ]; then
    exit 1
fi
case $action in
add | delete) exit 0 ;;
esac
exit 1
