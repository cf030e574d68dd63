#!/bin/sh
# Starts or restarts this node of a cluster, as a service of systemd that comes back when it ends.
#
#   node.sh head            Ray's head, and `rookery serve`, which is the cluster's controller
#   node.sh worker ADDRESS  a node that joins the head at ADDRESS
#   node.sh stop            stops it
#
# Reads the settings in cluster.env beside it. NODE_ROLE=all|edge|timelines says what the controller
# puts on this node (default: all). Arguments of `ray start` may follow.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=$(dirname "$here")/.venv/bin
# It holds secrets, and in a copied checkout it is open to all users.
[ ! -e "$here/cluster.env" ] || chmod 600 "$here/cluster.env"

stop() {
    sudo systemctl stop rookery-node.service 2>/dev/null || true
    sudo systemctl reset-failed rookery-node.service 2>/dev/null || true
}

service() {
    name=$1
    shift
    # EnvironmentFile: what a service needs to know stands in one place, and wins over --setenv.
    # KillMode=mixed: SIGTERM goes to the main process, which stops the others in order.
    # StateDirectory: /var/lib/rookery, where Ray keeps its sockets and logs, closed to other users.
    sudo systemd-run --quiet --unit="$name" --uid="$(id -u)" --working-directory="$(dirname "$here")" \
        --property=EnvironmentFile="$here/cluster.env" --property=Restart=always \
        --property=RestartSec=3 --property=LimitNOFILE=1048576 --property=KillMode=mixed \
        --property=UMask=0077 --property=StateDirectory=rookery --property=StateDirectoryMode=0700 \
        --setenv=RAY_AUTH_MODE=token \
        --setenv=HOME="$HOME" --setenv=PATH="$bin:/usr/local/bin:/usr/bin:/bin" -- "$@"
}

role="${1:-}"
[ $# -eq 0 ] || shift
label="rookery.io/role=${NODE_ROLE:-all}"
case "$role" in
head)
    stop
    service rookery-node "$here/head.sh" ray start --head --block --port=6379 \
        --temp-dir=/var/lib/rookery/ray --labels="$label" "$@"
    ;;
worker)
    address=${1:?usage: node.sh worker ADDRESS}
    shift
    stop
    # Redis is the head's affair.
    service rookery-node env -u RAY_REDIS_ADDRESS \
        "$bin/ray" start --address="$address:6379" --block \
        --temp-dir=/var/lib/rookery/ray --labels="$label" "$@"
    ;;
stop)
    stop
    ;;
*)
    echo "usage: node.sh head | node.sh worker ADDRESS | node.sh stop" >&2
    exit 2
    ;;
esac
