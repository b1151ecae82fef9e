#!/bin/sh
# macOS starts this file by a double-click. The steps are those of launch.sh.
exec "$(dirname -- "$0")/launch.sh" "$@"
