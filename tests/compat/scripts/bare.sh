# A script that never had a first line.
read -r line
case $line in
*'"command":"add"'*) verb=add ;;
*) verb=delete ;;
esac
srcip=$(printf '%s\n' "$line" | sed 's/.*"srcip":"\([^"]*\)".*/\1/')
echo "bare.sh: $verb $srcip" >>logs/active-responses.log
