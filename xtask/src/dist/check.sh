# check.sh ROOT: in a mount and a network namespace of its own, with a new Debian in ROOT that has Debian's `tcptrace`
# installed, and our package as ROOT/tcptrace.deb. Run by `cargo xtask dist --check`.
set -euo pipefail
root=$1
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
cd /

in_root() { chroot "$root" "$@"; }
step() { echo "  ok: $*"; }
die() { echo "FAILED: $*" >&2; exit 1; }
# A command that must end with a status, and what it says.
ends_with() {
    local status=$1 got=0
    shift
    said=$("$@" 2>&1) || got=$?
    [ "$got" = "$status" ] || die "\`$*\` ended with $got, not $status: $said"
}
# What stands on the disk, without what dpkg and ldconfig write for themselves.
files() { in_root find / -xdev \( -path /proc -o -path /sys -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \) -prune -o -print | sort; }

mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
ip link set lo up

# Ours beside the other: refused, nothing overwritten, by the package manager and not by an accident of file names.
other=$(in_root dpkg-query --show --showformat '${Version}' tcptrace)
before=$(in_root sha256sum /usr/bin/tcptrace)
ends_with 1 in_root dpkg --install /tcptrace.deb
case $said in *conflict*) ;; *) die "no word of a conflict: $said" ;; esac
[ "$before" = "$(in_root sha256sum /usr/bin/tcptrace)" ] || die "the other tcptrace was overwritten"
step "is refused beside Debian's tcptrace $other, which stays as it is"
in_root dpkg --purge tcptrace >/dev/null 2>&1
in_root dpkg --purge tcptrace-ebpf >/dev/null 2>&1 || true

clean=$(files)
ends_with 0 in_root dpkg --install /tcptrace.deb
step "installs: $(in_root dpkg-query --show tcptrace-ebpf | tr '\t' ' ')"
for file in /usr/bin/tcptrace /usr/share/man/man8/tcptrace.8.gz /usr/share/man/man8/tcptrace-lives.8.gz \
    /usr/share/bash-completion/completions/tcptrace /usr/share/zsh/vendor-completions/_tcptrace \
    /usr/share/fish/vendor_completions.d/tcptrace.fish /usr/share/doc/tcptrace-ebpf/copyright; do
    [ -s "$root$file" ] || die "$file is missing"
done
step "has its manual, completions and copyright"

ends_with 0 in_root tcptrace --version
[ "${said#tcptrace }" != "$said" ] || die "--version says: $said"
step "runs: $said"
ends_with 0 in_root tcptrace preflight
step "works here: preflight ends with 0"
ends_with 0 in_root tcptrace stuck --check --netns self
step "looks: $said"

# A live trace: connects to a port that nobody listens on are seen, with their owner, and the count ends it.
mkfifo "$root/ready"
in_root timeout 60 tcptrace --netns self --rport 9 -n 2 --json >"$root/trace" 2>"$root/ready" &
trace=$!
# It says that it is tracing when it is.
exec 3<"$root/ready"
while IFS= read -r -t 30 line <&3; do
    case $line in *tracing*) break ;; esac
done
in_root bash -c 'exec 3<>/dev/tcp/127.0.0.1/9' 2>/dev/null && die "somebody listens on port 9"
wait "$trace" || die "tracing ended with $?: $(cat <&3)"
exec 3<&-
grep -q '"to":"SYN_SENT"' "$root/trace" || die "no SYN_SENT in: $(cat "$root/trace")"
grep -q '"comm":"bash"' "$root/trace" || die "no owner in: $(cat "$root/trace")"
step "traces: $(grep -c '"type":"transition"' "$root/trace") transitions of a connect, with owner"

# A recording, read again by someone without rights.
in_root timeout 60 tcptrace record /rec.jsonl.zst --netns self -d 300ms >/dev/null 2>&1 || die "cannot record: $?"
ends_with 0 in_root setpriv --reuid 65534 --regid 65534 --clear-groups tcptrace lives --from /rec.jsonl.zst
ends_with 77 in_root setpriv --reuid 65534 --regid 65534 --clear-groups tcptrace -d 1s
step "records, and an ordinary user reads it; one who may not trace is told: ${said##*tcptrace: }"
rm "$root/ready" "$root/trace" "$root/rec.jsonl.zst"

ends_with 0 in_root dpkg --purge tcptrace-ebpf
left=$(diff <(echo "$clean") <(files)) || die "left behind: $left"
step "goes, and leaves nothing behind"
echo "all steps done"
