# Installs the packages that it is given. What the network does not give now is tried again.
export DEBIAN_FRONTEND=noninteractive
for pause in 10 30 60; do
    apt-get -q update
    apt-get -q -y -o DPkg::Lock::Timeout=600 install "$@" && exit 0
    sleep "$pause"
done
exec apt-get -q -y -o DPkg::Lock::Timeout=600 install "$@"
