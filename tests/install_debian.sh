#!/bin/sh
# Installs a Debian package when that is possible, or says exactly what to install.
set -eu
package=$1
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing $package" >&2
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
else
  echo "Please install $package first: sudo apt-get install $package" >&2
  exit 2
fi
