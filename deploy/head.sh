#!/bin/bash
# Runs Ray's head and `rookery serve`, the cluster's controller, as one:
#
#   head.sh ray start --head --block --port=6379 …
#
# When either ends, both do, so that what started this script (systemd, Docker, Kubernetes) starts them
# again. SIGTERM stops both in order, and with them the whole server. After the death of either the
# other nodes go on: without Ray `rookery serve` is killed, lest it ends their actors.
set -u
umask 077
# Who reaches Ray's ports can run code, unless asked for RAY_AUTH_TOKEN.
export RAY_AUTH_MODE="${RAY_AUTH_MODE:-token}"

stopping=
trap 'stopping=1' TERM INT

"$@" &
ray=$!
until (exec 3<>/dev/tcp/127.0.0.1/"${RAY_PORT:-6379}") 2>/dev/null; do
    kill -0 "$ray" 2>/dev/null && [ -z "$stopping" ] || break
    sleep 0.2
done
rookery serve &
serve=$!
# A signal may come just before `wait`, which then does not end for it: look again every second.
while [ -z "$stopping" ] && kill -0 "$ray" 2>/dev/null && kill -0 "$serve" 2>/dev/null; do
    sleep 1 &
    wait -n "$ray" "$serve" "$!"
done
[ -n "$stopping" ] || kill -KILL "$serve" 2>/dev/null

# The controller first: it ends its actors in order, for which it needs Ray. SIGKILL for what hangs.
end() {
    kill -TERM "$1" 2>/dev/null || return
    for _ in $(seq "$2"); do
        kill -0 "$1" 2>/dev/null || return
        sleep 1
    done
    kill -KILL "$1" 2>/dev/null
}
end "$serve" 31
wait "$serve"
status=$? # 3 tells that something was not stopped in order
end "$ray" 25
exit "$status"
