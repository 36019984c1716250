# Drivers and device files, which the installer and the installed system need alike.
start_devices() {
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs devtmpfs /dev
    while read -r module; do
        insmod "/modules/$module"
    done </modules/order
}

# Names the virtio ports as udev does. They appear some time after their driver; a machine without any is waited for in
# vain, but not long.
name_ports() {
    mkdir -p /dev/virtio-ports
    for try in $(seq 60); do
        for port in /sys/class/virtio-ports/*; do
            name=$(cat "$port/name" 2>/dev/null)
            [ -z "$name" ] || ln -sf "../${port##*/}" "/dev/virtio-ports/$name"
        done
        [ ! -e "/dev/virtio-ports/${1:-none}" ] || return 0
        usleep 50000
    done
}

watch_power_button() {
    for device in /dev/input/event*; do
        if [ "$(cat "/sys/class/input/${device##*/}/device/name")" = "Power Button" ]; then
            (dd bs=24 count=1 <"$device" >/dev/null 2>&1; exec /sbin/shutdown) &
        fi
    done
}
