# Installs the packages that it is given. What the network does not give now is tried again.
for pause in 10 30 60; do
    dnf -y install "$@" && exit 0
    sleep "$pause"
done
exec dnf -y install "$@"
