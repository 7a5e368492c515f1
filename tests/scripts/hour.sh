#!/bin/sh
# Reads its message and then takes an hour, with a child in the background: a
# responder that must hold nobody up, and of which nothing may be left once it
# is ended. The ids of both stand in logs/hour.pids.

read -r message
sleep 3600 &
echo "$$ $!" >>logs/hour.pids
wait
