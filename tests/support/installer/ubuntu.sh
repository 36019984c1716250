# Ubuntu's: cloud-init finds the answers, Subiquity takes them if it is told to do so without a question.
KERNEL=/cdrom/casper/vmlinuz INITRD=/cdrom/casper/initrd DISK=/cdrom/casper/filesystem.squashfs

find_answers() {
    case $(argument ds) in
    nocloud\;s=/*/)
        seed=$(argument ds)
        seed=${seed#nocloud;s=}
        ;;
    nocloud | "")
        seed=/run/seed
        mount_disc "$seed" is_cloud_seed || ask "There is no medium with answers"
        ;;
    *) ask "There is no such source of answers: $(argument ds)" ;;
    esac
    [ -s "$seed/user-data" ] && [ -s "$seed/meta-data" ] || ask "cloud-init finds no user-data and meta-data"
    read -r first <"$seed/user-data"
    [ "$first" = "#cloud-config" ] || ask "The user-data is no cloud-config"
    awk -f /lib/installer/yaml.awk "$seed/user-data" >/run/answers || ask "The user-data cannot be read"
    argument autoinstall >/dev/null || ask "Continue with autoinstall? (yes|no)"
    write_files
}

# The value at a path of keys and positions; fails without one.
answer() {
    value=$(awk -F '\t' -v wanted="$1" '$1 == wanted { print $2; found = 1 } END { exit !found }' /run/answers) &&
        printf '%b\n' "$value"
}

write_files() {
    number=0
    while path=$(answer "write_files.$number.path"); do
        mkdir -p "${path%/*}"
        answer "write_files.$number.content" | base64 -d >"$path" || ask "cloud-init cannot write $path"
        chmod "$(answer "write_files.$number.permissions")" "$path"
        number=$((number + 1))
    done
}

check_answers() {
    host=$(answer autoinstall.identity.hostname) &&
        user=$(answer autoinstall.identity.username) &&
        hash=$(answer autoinstall.identity.password) &&
        ending=$(answer autoinstall.shutdown) &&
        [ "$(answer autoinstall.version)" = 1 ] &&
        [ "$(answer autoinstall.storage.layout.name)" = direct ] || return 1
    case $hash in
    '$6$'* | '$y$'*) ;;
    *) return 1 ;;
    esac
    case $ending in
    poweroff | reboot) ;;
    *) return 1 ;;
    esac
}

run_commands() {
    number=0
    while command=$(answer "autoinstall.$1.$number"); do
        sh -c "$command" || return 1
        number=$((number + 1))
    done
}

before_install() {
    run_commands early-commands
}

after_install() {
    number=0
    while key=$(answer "autoinstall.ssh.authorized-keys.$number"); do
        mkdir -p "/target/home/$user/.ssh"
        echo "$key" >>"/target/home/$user/.ssh/authorized_keys"
        number=$((number + 1))
    done
    cp "$seed/user-data" /target/var/log/installer/autoinstall-user-data
    run_commands late-commands
}

failed() {
    run_commands error-commands
    ask "An error occurred. $1"
}
