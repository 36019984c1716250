# Puts the new system on the disk.

# install_system KERNEL INITRD: boot records from the medium, then a copy of this system.
install_system() {
    [ -b /dev/vda ] || return 1
    zcat "$DISK" >/dev/vda && sync && blockdev --rereadpt /dev/vda || return 1
    mke2fs -L system /dev/vda2 >/dev/null || return 1
    mkdir -p /target
    mount -t ext4 /dev/vda2 /target || return 1
    for folder in boot dev proc run sys tmp root home var/lib var/log/installer var/run; do
        mkdir -p "/target/$folder"
    done
    cp -a /bin /sbin /usr /lib /lib64 /etc /modules /target || return 1
    cp "$1" /target/boot/installed-kernel && cp "$2" /target/boot/installed-initrd || return 1
    for folder in dev proc sys; do
        mount -o bind "/$folder" "/target/$folder"
    done
}

# configure_system HOST USER HASH
configure_system() {
    echo "$1" >/target/etc/hostname
    echo "root:x:0:0:root:/root:/bin/sh" >/target/etc/passwd
    echo "$2:x:1000:1000::/home/$2:/bin/sh" >>/target/etc/passwd
    printf 'root:x:0:\n%s:x:1000:\n' "$2" >/target/etc/group
    (umask 077 && printf 'root:!:19000::::::\n%s:%s:19000::::::\n' "$2" "$3" >/target/etc/shadow)
    mkdir -p "/target/home/$2"
    chown 1000:1000 "/target/home/$2"
}

leave_system() {
    for folder in dev proc sys .; do
        umount "/target/$folder"
    done
    sync
}
