#!/bin/sh
# Finishes the installation at the first boot: runs the tasks of the plan in order, reports how each ended, and
# removes itself with everything that may be secret. A restart in between costs the task that it cut off, no other.
# An argument stands before all paths.
umask 077
root=${1:-}
here=$root/var/lib/infinibay/setup
reports=$root/var/lib/infinibay/reports
port=$root/dev/virtio-ports/$(cat "$here/port")
export INFINIBAY_SETUP="$here"
exec >>"$root/var/log/infinibay-setup.log" 2>&1

# Sends all reports so far; a port that nobody listens to would hold us, so only for these seconds. Without a port they
# go over the network, if we were told where to.
send() {
    if [ -e "$port" ]; then
        timeout "$1" sh -c 'cat "$1" >"$2"' send "$reports" "$port"
    elif [ -e "$here/url" ]; then
        curl -fsS -m "$1" -K "$here/curlrc" --data-binary @"$reports" ||
            WGETRC=$here/wgetrc wget -q -t 1 -T "$1" -O - --post-file="$reports" "$(cat "$here/url")"
    fi
}

report() {
    printf '%s\n' "$1" >>"$reports"
    send 5 || echo "The host does not listen"
}

while read -r number kind id interpreter; do
    task=$here/tasks/$number
    if [ -e "$task.running" ]; then
        status=-1
    elif [ -e "$task" ]; then
        mv "$task" "$task.running"
        echo "$(date) $kind $id begins"
        # What a task makes may be for everybody.
        (umask 022 && exec "$interpreter" "$task.running") </dev/null
        status=$?
    else
        continue
    fi
    echo "$(date) $kind $id ended with $status"
    report "{\"event\":\"task\",\"kind\":\"$kind\",\"id\":\"$id\",\"status\":$status}"
    rm -f "$task.running"
done <"$here/plan"

printf '%s\n' '{"event":"finished"}' >>"$reports"
send 600 || echo "The host did not listen"
# The installers keep copies of their answers, scripts included.
rm -f "$root/root/original-ks.cfg" "$root/root/anaconda-ks.cfg" "$root/var/log/installer/autoinstall-user-data"
if [ -e "$root/etc/cloud/cloud-init.disabled" ]; then
    # A machine from an image: what cloud-init keeps is needed until it has ended.
    timeout 300 cloud-init status --wait
    rm -rf "$root/var/lib/cloud/instance" "$root/var/lib/cloud/instances"
fi
rm -rf "$here"
rm -f "$root/etc/systemd/system/multi-user.target.wants/infinibay-setup.service" \
    "$root/etc/systemd/system/infinibay-setup.service"
