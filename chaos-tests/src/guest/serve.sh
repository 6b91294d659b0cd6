# The guest's first process, in the host's root file system: prepares the machine, then runs what the host says, a line a command.
# Every answer that is not a command's own output is a line that begins with the octet 1e.
exchange=$1
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=none exchange "$exchange"
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
mkdir -p /lib/modules
ln -sfn "$exchange/../kernel/lib/modules/$(uname -r)" "/lib/modules/$(uname -r)"
hostname guest
ip link set lo up
# What is missing here is said by what needs it.
modprobe -a rdma_rxe ib_uverbs rdma_ucm veth bridge tun loop nf_tables sch_netem fuse 2>&1 | sed 's/^/guest: /' > /dev/console
ulimit -l unlimited
for port in /sys/class/virtio-ports/*; do
    if [ "$(cat "$port/name")" = twinrail ]; then
        exec 3<> "/dev/${port##*/}"
    fi
done
# Two devices that reach each other, for tests that need no more: $TWINRAIL_TEST_RDMA names them.
ip link add rdma1 mtu 9000 type veth peer name rdma2 mtu 9000
for card in rdma1 rdma2; do
    echo 0 > "/proc/sys/net/ipv6/conf/$card/accept_dad"
    ip link set "$card" up
    rdma link add "$card" type rxe netdev "$card"
done 2>&1 | sed 's/^/guest: /' > /dev/console
export TWINRAIL_TEST_RDMA=rdma1,rdma2
printf '\x1eready\n' >&3
while IFS= read -r line <&3; do
    bash -c "$line" < /dev/null >&3 2>&1
    printf '\x1eexit %d\n' $? >&3
done
sync
echo o > /proc/sysrq-trigger
sleep 60
