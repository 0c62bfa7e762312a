#!/usr/bin/env bash
# Two TCP connections whose story is known, watched by tcptrace, libbpf-tools' tcpstates and tcplife, and ss, all at
# once, in a network namespace of their own. Prints what each says. Needs root, python3, iproute2, libbpf-tools.
#
#   cargo build --release -p tcptrace && sudo docs/compare.sh [path of tcptrace]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tcptrace=$(realpath "${1:-$here/../target/release/tcptrace}")
if [ "${IN_OWN_NAMESPACE:-}" != yes ]; then
    IN_OWN_NAMESPACE=yes exec unshare --net -- bash "${BASH_SOURCE[0]}" "$tcptrace"
fi
export PATH=$PATH:/usr/sbin:/sbin
ip link set lo up
work=$(mktemp -d)
tracers=()
trap 'kill "${tracers[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
mkfifo to-server to-client said
exec 7<>to-server 8<>to-client 9<>said

# One process a side; each does what it is told, and says when it is done. Names are set so that owners can be told.
actor() {
    exec python3 -c '
import socket, sys
name, orders, said = sys.argv[1:]
open("/proc/self/comm", "w").write(name)
said, socks = open(said, "w"), {}
for order in open(orders):
    verb, key = order.split()
    if verb == "listen":
        socks[key] = socket.create_server(("127.0.0.1", int(key)))
    elif verb == "defer":  # a handshake is complete when data comes, not before
        socks[key].setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    elif verb == "accept":
        socks[key] = socks["8080"].accept()[0]
    elif verb == "connect":
        socks[key] = socket.create_connection(("127.0.0.1", 8080), source_address=("127.0.0.1", int(key)))
    elif verb == "send":
        socks[key].sendall(b"hello")
    elif verb == "read-all":
        while socks[key].recv(4096): pass
    elif verb == "close":
        socks.pop(key).close()
    print("done", file=said, flush=True)
' "$@"
}
actor server to-server said & tracers+=($!); echo "server is process $!"
actor client to-client said & tracers+=($!); echo "client is process $!"
server() { echo "$*" >&7; read -r -t 10 _ <&9; }
client() { echo "$*" >&8; read -r -t 10 _ <&9; }
began=${EPOCHREALTIME/[.,]/}
truth() {
    local ms=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
    printf '%3d.%03d s  %s\n' $((ms / 1000)) $((ms % 1000)) "$*"
}
look() { echo "--- ss, $1"; ss -Htaneop '( sport = :40001 or sport = :40002 or dport = :40002 )' | tr -s ' '; }

echo "=== what really happens"
server listen 8080
client connect 40001; server accept 1
truth "port 40001 connected, before any tracer runs"
stdbuf -oL tcpstates -w >tcpstates 2>/dev/null & tracers+=($!)
stdbuf -oL tcplife -w >tcplife 2>/dev/null & tracers+=($!)
"$tcptrace" --netns self --port 8080 --time none --no-header --columns pid,comm,owner-how,lport,rport,from,to,duration,evidence >moves 2>notes-of-moves & tracers+=($!)
"$tcptrace" lives --netns self --port 8080 --time none --unfinished -w >lives 2>notes-of-lives & tracers+=($!)
for _ in $(seq 100); do [ "$(cat notes-of-* | grep -c tracing)" = 2 ] && break; sleep 0.1; done
sleep 1.5 # the peers do not say when they are ready

server defer 8080
client connect 40002
truth "port 40002: the client is connected, the server waits for data (TCP_DEFER_ACCEPT): half open"
sleep 0.3
look "half open" >ss.txt
client send 40002
server accept 2
truth "port 40002: data gets through, the server's side is established"
client close 40002; server read-all 2
truth "port 40002: the client closes; the server knows"
sleep 0.8
look "client closed, server not yet" >>ss.txt
sleep 0.7
truth "port 40002: the server closes"
server close 2
sleep 0.2
look "both closed" >>ss.txt
client close 40001
truth "port 40001: the client closes"; server close 1
sleep 0.5
kill -INT "${tracers[@]:2}"; wait "${tracers[@]:2}" 2>/dev/null || true

echo; echo "=== ss"; cat ss.txt
echo; echo "=== tcpstates"; head -1 tcpstates; grep -E '\b8080\b' tcpstates || true
echo; echo "=== tcplife"; head -1 tcplife; grep -E '\b8080\b' tcplife || true
echo; echo "=== tcptrace"; cat moves
echo; echo "=== tcptrace lives"; cat lives
