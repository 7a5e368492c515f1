#!/bin/sh
# The shape of OSSEC's host-deny.sh: a line in a file that all share, found and
# removed again by its text. The file lies below Wazuh's home here.
# Expect: srcip

ACTION=$1
IP=$3
LOCAL=$(dirname $0)
cd $LOCAL/../..
DENY=etc/hosts.deny

echo "$(date '+%Y/%m/%d %H:%M:%S') $0 $*" >>logs/active-responses.log

if [ "x${IP}" = "x" ] || [ "x${IP}" = "x-" ]; then
    echo "$0: <action> <username> <ip>"
    exit 1
fi
if [ "x${ACTION}" = "xadd" ]; then
    grep -qxF "ALL:$IP" $DENY || echo "ALL:$IP" >>$DENY
elif [ "x${ACTION}" = "xdelete" ]; then
    grep -vxF "ALL:$IP" $DENY >$DENY.new
    cat $DENY.new >$DENY
    rm -f $DENY.new
else
    exit 1
fi
