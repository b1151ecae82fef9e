#!/bin/sh
# Finds any Python from 3.8 on and hands over to launch.py.
self=$(readlink -f -- "$0" 2>/dev/null) || self=$0
here=$(CDPATH= cd -- "$(dirname -- "$self")" && pwd) || exit 1
# Python heeds this one even where -E tells it to ignore the variables of other environments.
unset PYTHONEXECUTABLE
for python in python3 python python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8; do
    if "$python" -E -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1; then
        trap '' INT # launch.py heeds Ctrl+C; a Python that is only just starting would print a trace about it
        exec "$python" -E "$here/launch.py" "$@"
    fi
done
sentence="Easel needs Python 3.8 or newer to begin. Install it (Debian, Ubuntu: sudo apt install python3; macOS: python.org) and start Easel again."
echo "$sentence" >&2
# A double-click has no terminal: say it in a window if there is a way.
[ -t 2 ] || zenity --error --text "$sentence" 2>/dev/null || kdialog --error "$sentence" 2>/dev/null || xmessage "$sentence" 2>/dev/null
exit 1
