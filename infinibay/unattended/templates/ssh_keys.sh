# Lets the owners of these keys in as this account.
set -e
[ -n "$keys" ] || exit 0
home=$(getent passwd "$account" | cut -d: -f6)
install -d -m 700 -o "$account" -g "$(id -gn "$account")" "$home/.ssh"
umask 077
printf %s "$keys" >>"$home/.ssh/authorized_keys"
chown "$account:$(id -gn "$account")" "$home/.ssh/authorized_keys"
# Where SELinux reigns, sshd reads what is labelled as its own alone.
! command -v restorecon || restorecon -RF "$home/.ssh"
