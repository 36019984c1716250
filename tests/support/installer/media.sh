# Finds and mounts the media.

# The volume label of a CD-ROM, as it stands in its primary descriptor.
label_of() {
    dd if="$1" bs=1 skip=32808 count=32 2>/dev/null | sed 's/ *$//'
}

# Mounts, at the folder, the CD-ROM for which the test holds of its device; drives appear one after the other.
mount_disc() {
    folder=$1
    shift
    mkdir -p "$folder"
    for try in $(seq 100); do
        for device in /dev/sr*; do
            [ -b "$device" ] && mount -t iso9660 -o ro "$device" "$folder" 2>/dev/null || continue
            "$@" "$device" "$folder" && return 0
            umount "$folder"
        done
        usleep 100000
    done
    return 1
}

is_install_medium() {
    [ -e "$2/casper/vmlinuz" ] || [ -e "$2/.treeinfo" ] || [ -e "$2/install.amd/vmlinuz" ]
}

has_label() {
    [ "$(label_of "$2")" = "$1" ]
}

# The label that cloud-init looks for, all in upper or all in lower case.
is_cloud_seed() {
    has_label CIDATA "$1" || has_label cidata "$1"
}

# The value of a kernel argument; fails without it.
argument() {
    for word in $(cat /proc/cmdline); do
        case $word in
        "$1") return 0 ;;
        "$1="*)
            echo "${word#*=}"
            return 0
            ;;
        esac
    done
    return 1
}
