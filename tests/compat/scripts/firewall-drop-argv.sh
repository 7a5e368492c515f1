#!/bin/sh
# The shape of OSSEC's firewall-drop.sh: arguments, a lock folder, its own log
# beside bin. The rules are lines of a file here.
# Expect: srcip

ACTION=$1
USER=$2
IP=$3

LOCAL=$(dirname $0)
cd $LOCAL
cd ../
PWD=$(pwd)
LOCK="${PWD}/fw-drop"
RULES="${PWD}/rules"

echo "$(date '+%Y/%m/%d %H:%M:%S') $0 $1 $2 $3 $4 $5" >>"${PWD}/../logs/active-responses.log"

tries=0
until mkdir "$LOCK" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || exit 1
    sleep 0.05
done
trap 'rmdir "$LOCK"' EXIT

[ -n "$IP" ] && [ "$IP" != "-" ] || exit 1

case "$ACTION" in
add) echo "-I INPUT -s $IP -j DROP" >>"$RULES" ;;
delete)
    grep -vxF -e "-I INPUT -s $IP -j DROP" "$RULES" >"$RULES.new"
    mv "$RULES.new" "$RULES"
    ;;
*) exit 1 ;;
esac
