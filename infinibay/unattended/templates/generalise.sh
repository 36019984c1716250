# Takes out of a system what is one machine's alone; the next start makes it anew.
command -v cloud-init >/dev/null || exit 20
set -e
rm -f /etc/cloud/cloud-init.disabled
cloud-init clean --logs
# What an installer wrote for this machine's network, account and source of answers.
rm -f /etc/netplan/00-installer-config*.yaml /etc/netplan/50-cloud-init.yaml \
    /etc/cloud/cloud.cfg.d/99-installer.cfg /etc/cloud/cloud.cfg.d/90-installer-network.cfg \
    /etc/cloud/cloud.cfg.d/subiquity-disable-cloudinit-networking.cfg /etc/cloud/cloud.cfg.d/curtin-preserve-sources.cfg
# What its own first boot reported, and what that printed.
rm -rf /var/lib/infinibay /var/log/infinibay-setup.log
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
[ ! -e /etc/machine-id ] || : >/etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed
sync
