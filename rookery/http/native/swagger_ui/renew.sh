#!/bin/sh
# Puts the files of swagger-ui-dist here that the page needs, as `make swagger-ui` does.
#
# VERSION and INTEGRITY say which; a newer one: put what `npm view swagger-ui-dist version
# dist.integrity` says into them, and run this again. A package with another hash is not unpacked.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=$(cat "$here/VERSION")
expected=$(cat "$here/INTEGRITY")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

package=$(cd "$work" && npm pack --silent "swagger-ui-dist@$version")
found="sha512-$(openssl dgst -sha512 -binary "$work/$package" | openssl base64 -A)"
if [ "$found" != "$expected" ]; then
    echo "swagger-ui-dist $version has the hash $found, not $expected" >&2
    exit 1
fi
tar -xzf "$work/$package" -C "$work"
cd "$work/package"
set -- swagger-ui.css swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt favicon-32x32.png \
    LICENSE NOTICE
cp "$@" "$here"
cd "$here"
chmod 644 "$@"
sha256sum "$@" > SHA256SUMS
