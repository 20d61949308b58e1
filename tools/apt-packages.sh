#!/bin/sh
# Installs, on Debian and Ubuntu, the system packages that are missing: sh tools/apt-packages.sh live|test
# live: what OpenCV's window and Python's venv need. test: besides, what the tests drive the real programs with.
set -eu

command -v apt-get >/dev/null 2>&1 || exit 0

missing=""
need_library() { ldconfig -p | grep -q "$1" || missing="$missing $2"; }
need_program() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }

need_library libGL.so.1 libgl1
need_library libgthread-2.0.so.0 libglib2.0-0
need_library libSM.so.6 libsm6
need_library libXext.so.6 libxext6
need_library libX11-xcb.so.1 libx11-xcb1
"${PYTHON:-python3}" -c "import ensurepip" 2>/dev/null || missing="$missing python3-venv"
if [ "${1:-live}" = test ]; then
    need_program Xvfb xvfb
    need_program xdotool xdotool
    need_program xwd x11-apps
    need_program ffmpeg ffmpeg
    # stand-ins for NVIDIA's libraries are compiled
    need_program cc gcc
    # a microphone without a sound card
    need_library libportaudio.so.2 libportaudio2
    need_program pulseaudio pulseaudio
    need_program pacat pulseaudio-utils
    dpkg -s libasound2-plugins >/dev/null 2>&1 || missing="$missing libasound2-plugins"
    need_program dbus-daemon dbus
    # MIDI devices without a sequencer
    need_program jackd jackd2
    # the page of controls is tried out in a browser
    need_program chromium chromium
    # outside of most users' PATH
    [ -x /usr/sbin/nginx ] || missing="$missing nginx"
    [ -e /usr/lib/nginx/modules/ngx_rtmp_module.so ] || missing="$missing libnginx-mod-rtmp"
fi

[ -n "$missing" ] || exit 0
as_root=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "these system packages are missing; as root, type: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "installing system packages:$missing" >&2
$as_root apt-get update -qq
# shellcheck disable=SC2086 # several packages, several words
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
