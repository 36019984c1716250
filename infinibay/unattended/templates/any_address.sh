# Lets the network of a machine from an image come up with any network address, as a clone has one of its own: cloud-init
# ties it to that of this machine. An argument stands before all paths.
root=${1:-}
plan=$root/etc/netplan/50-cloud-init.yaml
if grep -qs macaddress: "$plan"; then
    cat >"$plan.new" <<'PLAN'
network:
  version: 2
  ethernets:
    any:
      match: {name: "e*"}
      dhcp4: true
PLAN
    chmod 600 "$plan.new"
    mv "$plan.new" "$plan"
fi
# Without it NetworkManager takes any cable, and the older files the one that they name.
for file in "$root"/etc/NetworkManager/system-connections/cloud-init-*.nmconnection \
    "$root"/etc/sysconfig/network-scripts/ifcfg-e*; do
    [ ! -e "$file" ] || sed -i -e '/^mac-address=/d' -e '/^HWADDR=/d' "$file"
done
