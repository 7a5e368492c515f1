#!/bin/bash
# Names its keys only when its stdin has ended, which is when nobody waits for
# them any more.
message=$(cat)
echo '{"version":1,"origin":{"name":"late.sh","module":"active-response"},"command":"check_keys","parameters":{"keys":["late"]}}'
verb=$(sed -n 's/.*"command":"\([a-z]*\)".*/\1/p' <<<"$message")
echo "late.sh: $verb" >>logs/active-responses.log
