# Fedora's and its family's: Anaconda needs its second stage by the label of the medium, and takes a kickstart file.
KERNEL=/cdrom/images/pxeboot/vmlinuz INITRD=/cdrom/images/pxeboot/initrd.img DISK=/cdrom/images/install.img
COMMANDS=" text cdrom url lang keyboard timezone network firstboot poweroff reboot rootpw user services "
COMMANDS="$COMMANDS zerombr ignoredisk clearpart autopart "

find_answers() {
    stage2=$(argument inst.stage2) || ask "There is no inst.stage2"
    label=$(printf '%b' "${stage2#hd:LABEL=}")
    umount /cdrom
    mount_disc /cdrom has_label "$label" && [ -e "$DISK" ] || ask "Warning: /dev/disk/by-label/$label does not exist"
    case $(argument inst.ks) in
    hd:LABEL=*:/*)
        source=$(argument inst.ks)
        source=${source#hd:LABEL=}
        mount_disc /run/seed has_label "${source%%:*}" || ask "There is no medium labelled ${source%%:*}"
        kickstart=/run/seed${source#*:}
        ;;
    file:/*)
        kickstart=$(argument inst.ks)
        kickstart=${kickstart#file:}
        ;;
    *) ask "There is no inst.ks: begin the installation by hand" ;;
    esac
    [ -s "$kickstart" ] || ask "Can't get kickstart from $(argument inst.ks)"
    sections_are_closed || ask "There is a section without %end in the kickstart file"
}

sections_are_closed() {
    awk '/^%end/ { if (!inside) exit 1; inside = 0; next }
        /^%(packages|pre|post|onerror|addon)/ { if (inside) exit 1; inside = 1 }
        END { exit inside }' "$kickstart"
}

# What stands outside all sections.
commands() {
    awk '/^%end/ { inside = 0; next } /^%/ { inside = 1 } !inside && NF' "$kickstart"
}

# section NAME: the lines of all sections of this name.
section() {
    awk -v name="%$1" '/^%end/ { inside = 0 } inside { print } $1 == name { inside = 1 }' "$kickstart"
}

check_answers() {
    commands >/run/commands
    while read -r command rest; do
        case $COMMANDS in
        *" $command "*) ;;
        *)
            say "Unknown command: $command"
            return 1
            ;;
        esac
    done </run/commands
    grep -q '^user .*--iscrypted' /run/commands && grep -q '^autopart' /run/commands &&
        grep -q '^lang ' /run/commands && grep -q '^rootpw ' /run/commands || return 1
    user=$(sed -n 's/^user [^"]*--name=\([^ "]*\).*/\1/p' /run/commands)
    hash=$(sed -n 's/^user [^"]*--password="\([^"]*\)".*/\1/p' /run/commands)
    host=$(sed -n 's/^network .*--hostname=\([^ ]*\).*/\1/p' /run/commands)
    ending=$(sed -n 's/^\(poweroff\|reboot\)$/\1/p' /run/commands)
    case $hash in
    '$6$'* | '$y$'*) ;;
    *) return 1 ;;
    esac
    [ -n "$user" ] && [ -n "$host" ] && [ -n "$ending" ]
}

before_install() {
    section pre >/run/pre
    sh /run/pre
}

after_install() {
    for package in $(section packages | grep -v '^@'); do
        chroot /target dnf -y install "$package"
    done
    cp "$kickstart" /target/root/original-ks.cfg
    section post >/target/run/post
    chroot /target sh /run/post >/target/root/post.log 2>&1
}

failed() {
    section onerror >/run/onerror
    sh /run/onerror
    ask "$1"
}
