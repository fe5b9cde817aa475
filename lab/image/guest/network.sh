# Sourced by the seed's network.sh: nic MAC [v4/len|dhcp|-] [v6/len|slaac|-] [gw4|-] [gw6|-]
nic() {
  for path in /sys/class/net/*; do
    [ "$(cat "$path/address")" = "$1" ] || continue
    dev=${path##*/}
    [ "$3" = slaac ] || echo 0 > "/proc/sys/net/ipv6/conf/$dev/accept_ra"
    ip link set "$dev" up
    case "$2" in
      -) ;;
      dhcp) udhcpc -i "$dev" -b -t 30 -T 1 -A 2 -s /lab/udhcpc -p "/run/udhcpc.$dev.pid" >/dev/null ;;
      *) ip addr add "$2" dev "$dev" ;;
    esac
    case "$3" in
      - | slaac) ;;
      *) ip -6 addr add "$3" dev "$dev" nodad ;;
    esac
    [ "$4" = - ] || ip route add default via "$4" dev "$dev"
    [ "$5" = - ] || ip -6 route add default via "$5" dev "$dev"
    return 0
  done
  echo "lab: no NIC with MAC $1"
}
