#!/bin/sh
# A gateway as a container, outside of whatever confines the engine: makes its network namespace and devices, and becomes
# its first process; or takes away what is left of it. Run by container.ts, which keeps it alive or lets systemd.
#
#   container.sh start NUMBER DIR ROOT MTU    DIR/ready appears once the gateway's own init is about to begin
#   container.sh clean NUMBER DIR
set -eu
verb=$1 number=$2 dir=$3
name=wocloud-gateway-$number
# As /etc/passwd of the image has it.
user=1900000001

quiet() {
  device=$1
  # Where the kernel has no IPv6 there is no such file.
  [ ! -e "/proc/sys/net/ipv6/conf/$device" ] || echo 1 > "/proc/sys/net/ipv6/conf/$device/disable_ipv6"
}

clean() {
  # Whoever was not known is still in its namespace.
  for pid in $(ip netns pids "$name" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || :; done
  for part in a b m; do ip link delete "wog$number$part" 2>/dev/null || :; done
  ip netns delete "$name" 2>/dev/null || :
  umount -l "$dir/channel" 2>/dev/null || :
  rm -rf "$dir"
}

start() {
  # Small, so that nobody inside can fill the host's memory through it.
  mkdir -p "$dir/channel"
  mount -t tmpfs -o "nosuid,nodev,noexec,mode=0755,uid=$user,gid=$user,size=64k,nr_inodes=16" tmpfs "$dir/channel"
  ip netns add "$name"
  nsenter --net="/run/netns/$name" "$0" devices "$number" "$dir"
  for pair in a:in0 b:in1 m:mir0; do
    device=wog$number${pair%:*}
    ip link add "$device" mtu "$mtu" type veth peer name "${pair#*:}" mtu "$mtu" netns "$name"
    quiet "$device"
    # The image's ethtool: the host may have none.
    chroot "$root" /sbin/ethtool -K "$device" rx off tx off sg off tso off gso off gro off > /dev/null 2>&1
    ip link set "$device" arp off multicast off up
  done
  exec nsenter --net="/run/netns/$name" unshare --mount --pid --ipc --uts --fork --kill-child=KILL \
    --propagation private "$0" inside "$number" "$dir" "$root" "$mtu"
}

# In the network namespace, before any device comes.
devices() {
  quiet default
  quiet all
  # Leads nowhere: a device that drops, or where there is none a pair whose other end nobody listens to.
  ip link add mir1 type dummy 2>/dev/null || ip link add mir1 type veth peer name nowhere
  ip link set nowhere arp off multicast off up 2>/dev/null || :
}

# The first process of the new namespaces.
inside() {
  mount --bind "$root" "$root"
  mount -o remount,bind,ro,nosuid,nodev "$root"
  mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
  mount -t sysfs -o ro,nosuid,nodev,noexec sys "$root/sys"
  mount -t tmpfs -o nosuid,noexec,mode=0755,size=64k,nr_inodes=64 dev "$root/dev"
  for device in null zero full random urandom; do
    : > "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  ln -s /proc/self/fd "$root/dev/fd"
  for path in run tmp var/log var/lib/suricata; do
    mount -t tmpfs -o nosuid,nodev,noexec,mode=1777,size=25% tmpfs "$root/$path"
  done
  mkdir "$root/run/channel" "$root/run/host"
  mount --bind "$dir/channel" "$root/run/channel"
  mount -o remount,bind,nosuid,nodev,noexec "$root/run/channel"
  hostname gateway
  : > "$dir/ready"
  cd "$root"
  pivot_root . run/host
  exec /bin/busybox env -i WOCLOUD_GATEWAY_CHANNEL=/run/channel/gateway.sock \
    WOCLOUD_GATEWAY_MEMORY_MIB="$WOCLOUD_GATEWAY_MEMORY_MIB" WOCLOUD_GATEWAY_CPUS="$WOCLOUD_GATEWAY_CPUS" \
    /bin/busybox sh -c 'umount -l /run/host && rmdir /run/host && exec "$@"' init \
    /usr/bin/setpriv --no-new-privs \
    --bounding-set=-all,+net_raw,+net_admin,+setuid,+setgid,+setpcap,+kill \
    /opt/wocloud/init container
}

case $verb in
  start | inside) root=$4 mtu=$5 ;;
esac
"$verb"
