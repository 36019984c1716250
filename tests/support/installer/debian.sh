# Debian's: it reads the preseed file in its own root, and asks on the console what that does not answer.
KERNEL=/cdrom/install.amd/vmlinuz INITRD=/cdrom/install.amd/initrd.gz DISK=/cdrom/install.amd/base.img

find_answers() {
    [ -s /preseed.cfg ] && [ "$(argument auto)" = true ] && [ "$(argument priority)" = critical ] ||
        debian_asks "Choose the language to be used for the installation process"
}

debian_asks() {
    say "!! ERROR: $1"
    ask "Prompt: '?' for help, default=1>"
}

# The answer to a question; fails without one.
answer() {
    awk -v question="$1" '$1 != "#" && $2 == question { sub(/^[^ ]+ [^ ]+ [^ ]+ ?/, ""); print; found = 1 }
        END { exit !found }' /preseed.cfg
}

check_answers() {
    for question in debian-installer/locale keyboard-configuration/xkb-keymap time/zone netcfg/get_hostname \
        passwd/user-fullname passwd/username passwd/user-password-crypted partman-auto/method \
        partman-auto/choose_recipe grub-installer/bootdev; do
        [ -n "$(answer "$question")" ] || debian_asks "$question"
    done
    for question in partman/confirm partman/confirm_nooverwrite partman-partitioning/confirm_write_new_label; do
        [ "$(answer "$question")" = true ] || debian_asks "$question"
    done
    [ "$(answer partman-auto/disk)" = /dev/vda ] || debian_asks partman-auto/disk
    host=$(answer netcfg/get_hostname)
    user=$(answer passwd/username)
    hash=$(answer passwd/user-password-crypted)
    ending=reboot
    [ "$(answer debian-installer/exit/poweroff)" != true ] || ending=poweroff
}

before_install() {
    command=$(answer preseed/early_command) || return 0
    sh -c "$command"
}

after_install() {
    command=$(answer preseed/late_command) || return 0
    sh -c "$command"
}

# It has no hook for errors: it only shows a red screen.
failed() {
    debian_asks "$1"
}
