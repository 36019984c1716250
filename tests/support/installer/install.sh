# What the installers of all families have in common. Each defines find_answers, check_answers, before_install,
# after_install and failed, and sets host, user, hash and ending.
PORT=/dev/virtio-ports/org.infinibay.setup.0

say() {
    echo "installer: $*"
}

# A question, or what stands in its place: nobody answers it.
ask() {
    say "$*"
    while :; do
        sleep 3600
    done
}

fault() {
    [ "$(cat /cdrom/installer-fault 2>/dev/null)" = "$1" ]
}

tell() {
    timeout 5 sh -c 'cat >"$1"' tell "$PORT"
}

run_installer() {
    name_ports "${PORT##*/}"
    watch_power_button
    mount_disc /cdrom is_install_medium || ask "There is no installation medium"
    if [ -e /cdrom/casper ]; then
        . /lib/installer/ubuntu.sh
    elif [ -e /cdrom/.treeinfo ]; then
        . /lib/installer/fedora.sh
    else
        . /lib/installer/debian.sh
    fi
    find_answers
    if fault rejects; then
        failed "The answers are refused"
    fi
    check_answers || failed "The answers are wrong"
    fault hangs && ask "This installer hangs"
    say "installing $host for $user"
    before_install || failed "A command before the installation failed"
    case $(cat /cdrom/installer-fault 2>/dev/null) in
    panics) echo c >/proc/sysrq-trigger ;;
    gives-up) poweroff -f ;;
    garbage) garbage | tell ;;
    esac
    install_system "$KERNEL" "$INITRD" || failed "The disk could not be written"
    configure_system "$host" "$user" "$hash"
    after_install || failed "A command after the installation failed"
    if fault contradicts; then
        printf '{"event":"%s"}\n' failed started installed finished failed | tell
    fi
    leave_system
    say "installed"
    "$ending" -f
}

# Nothing of this is a report, except one of a task that there is not.
garbage() {
    head -c 70000 /dev/urandom
    printf '\n{"event":"unknown"}\n[]\n{"event":\n'
    printf '{"event":"task","kind":"script","id":"no-such-task","status":0}\n'
    head -c 5000 /dev/zero
    printf '\n'
}
