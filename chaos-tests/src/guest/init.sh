#!/bin/busybox sh
# The guest's first process: makes the host's root file system this machine's own, and goes on in there.
#   /lower   the host's root, read-only, by 9p
#   /upper   what is written here, in memory
#   /whole   both, one over the other
busybox=/bin/busybox
fail() {
    echo "guest: $1 failed"
    echo o > /proc/sysrq-trigger
    $busybox sleep 60
}
$busybox mount -t devtmpfs dev /dev
$busybox mount -t proc proc /proc
for module in /modules/*; do
    $busybox insmod "$module" || fail "insmod $module"
done
# The host's files do not change while the guest runs, or the guest does not care: it may keep what it has read.
share=trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro
$busybox mount -t 9p -o $share host /lower || fail "the mount of the host's root"
$busybox mount -t tmpfs -o size=75% upper /upper
$busybox mkdir /upper/files /upper/work
$busybox mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work guest /whole || fail "the overlay"
$busybox mount -t proc proc /whole/proc
$busybox mount -t sysfs sys /whole/sys
$busybox mount -t devtmpfs dev /whole/dev
for folder in tmp run; do
    $busybox mount -t tmpfs "$folder" "/whole/$folder"
done
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for word in $($busybox cat /proc/cmdline); do
    case $word in
        twinrail.exchange=*) exchange=${word#*=} ;;
    esac
done
exec $busybox switch_root /whole /bin/bash "$exchange/serve.sh" "$exchange"
