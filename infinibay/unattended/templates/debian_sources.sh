# An installation without a mirror knows its medium alone, which is gone: name the mirror and the security updates once.
etc=${INFINIBAY_ETC:-/etc}
sources=$etc/apt/sources.list.d/infinibay.list
if [ ! -e "$sources" ]; then
    (
        . "$etc/os-release"
        if ! grep -rqs '^deb http\|^URIs: *http' "$etc/apt/sources.list" "$etc/apt/sources.list.d"; then
            sed -i 's/^deb cdrom:/# &/' "$etc/apt/sources.list"
            printf 'deb %s %s main\n' "$mirror" "$VERSION_CODENAME"
        fi
        printf 'deb http://security.debian.org/debian-security %s-security main\n' "$VERSION_CODENAME"
    ) >"$sources.new"
    mv "$sources.new" "$sources"
fi
