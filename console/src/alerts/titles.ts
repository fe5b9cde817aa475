// What an alert says in Chinese, and what one does about it in both languages: by its kind and its evidence, because
// the platform's own title is English. A kind nobody has described here keeps that title.
import type { Alert } from '@wocloud/protocol/views.ts';
import type { Language } from '../i18n/language.ts';

type Told = Pick<Alert, 'kind' | 'title' | 'vmName' | 'hostName' | 'evidence'>;

const said = (alert: Told, name: string) => {
  const value = alert.evidence[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '?';
};

/** What a VM sent, behind "虚拟机 … ". */
const SENT: Record<string, (a: Told) => string> = {
  'spoof.mac': (a) => `发送了不属于自己的 MAC 地址（${said(a, 'sourceMac')}）`,
  'spoof.ipv4': (a) => `发送了不属于自己的 IPv4 地址（${said(a, 'claimedIp')}）`,
  'spoof.ipv6': (a) => `发送了不属于自己的 IPv6 地址（${said(a, 'claimedIp')}）`,
  'spoof.arp': () => '发送了冒用他人地址的 ARP 报文',
  'spoof.nd': () => '发送了冒用他人地址的邻居发现报文',
  'spoof.nd-option': () => '在邻居发现报文中声明了他人的链路层地址',
  'spoof.nd-dad': (a) => `试图占用不属于自己的地址（${said(a, 'target')}）`,
  'spoof.redirect': () => '发送了 ICMP 重定向',
  'spoof.ra': () => '发送了路由器通告',
  'spoof.dhcp': (a) => `冒充 DHCP 服务器应答，提供 ${said(a, 'offeredIp')}`,
  'spoof.dhcp-client': () => '以他人的 MAC 地址请求 DHCP',
  'spoof.dhcpv6': () => '冒充 DHCPv6 服务器应答',
  'spoof.vlan': (a) => `发送了 VLAN 标签（${said(a, 'vlan')}）`,
  'spoof.fragment': () => '发送了隐藏端口的分片',
  'spoof.ethertype': (a) => `发送了不允许的以太网类型（${said(a, 'etherType')}）`,
  'spoof.route': (a) => `从另一网络的地址发送报文（${said(a, 'claimedIp')}）`,
};

/** A gateway instance is named in the title alone: `Gateway edge/1 on kvm-1 …`. */
export const instanceOf = (a: Pick<Alert, 'title'>) => /^Gateway (\S+) /.exec(a.title)?.[1] ?? null;
const because = (a: Told) => {
  const { reason } = a.evidence;
  return typeof reason === 'string' && reason ? `：${reason}` : '';
};
const to = (a: Told) => {
  const { evidence: e } = a;
  const address = e['destination'] ?? e['dst'] ?? e['target'];
  const port = e['destinationPort'] ?? e['port'];
  return typeof address !== 'string'
    ? ''
    : typeof port === 'number'
      ? ` ${address} 的 ${port} 端口`
      : ` ${address} `;
};

const TITLES: Record<string, (a: Told) => string> = {
  // A rule's message is its author's own words.
  'inspection.alert': (a) =>
    `${a.evidence['action'] === 'blocked' ? '安全网关已阻断' : '安全网关检测到'}：${a.title}`,
  'gateway.failed': (a) => `宿主机 ${a.hostName ?? '?'} 的安全网关 ${instanceOf(a) ?? '?'} 故障${because(a)}`,
  'gateway.degraded': (a) =>
    `宿主机 ${a.hostName ?? '?'} 的安全网关 ${instanceOf(a) ?? '?'} 降级${because(a)}`,
  'gateway.rules': (a) => `宿主机 ${a.hostName ?? '?'} 的安全网关 ${instanceOf(a) ?? '?'} 未接受最新规则`,
  'syn.flood': (a) =>
    `${a.vmName ? `虚拟机 ${a.vmName} ` : ''}向${to(a) || '同一目的'}发起 SYN 洪泛，超出部分被拒绝`,
  'limit.connections': (a) => `虚拟机 ${a.vmName ?? '?'} 的并发连接数达到限额，新连接被拒绝`,
  'limit.rate': (a) => `虚拟机 ${a.vmName ?? '?'} 新建连接的速率达到限额，超出部分被拒绝`,
  'spoof.theft': (a) => `有设备冒用${a.vmName ? `虚拟机 ${a.vmName}` : '受保护虚拟机'}的 MAC 地址`,
  'firewall.drift': () => '有人改动了该宿主机的防火墙规则或内核开关，已恢复',
  'firewall.refused': () => '该宿主机的内核拒绝了期望的规则',
  'libvirt.down': () => '该宿主机的 libvirt 无响应：看不到虚拟机变化，已有规则继续生效',
  'host.stale': (a) => `宿主机 ${a.hostName ?? '?'} 长时间没有上报`,
  'records.lost': (a) => `宿主机 ${a.hostName ?? '?'} 的流量记录有丢失`,
  'vm.claimed': (a) => `有另一台宿主机声称在运行虚拟机 ${a.vmName ?? '?'}`,
  'vm.moved': (a) => `虚拟机 ${a.vmName ?? '?'} 已在另一台宿主机上运行，原宿主机失联`,
};

export function alertTitle(alert: Told, language: Language): string {
  if (language === 'en') return alert.title;
  const sent = SENT[alert.kind];
  if (sent) return `虚拟机 ${alert.vmName ?? '?'} ${sent(alert)}`;
  return TITLES[alert.kind]?.(alert) ?? alert.title;
}

/** The first thing to do, by the longest beginning of the kind. */
const ADVICE: readonly (readonly [kind: string, en: string, zh: string])[] = [
  [
    'spoof.theft',
    'It came from outside the VMs, by a port of the host: look for a device or another host on that segment with this MAC address.',
    '报文来自虚拟机之外、宿主机的某个端口：请检查该网段上是否有设备或其他宿主机使用此 MAC 地址。',
  ],
  [
    'spoof.',
    'Where the VM is enforced, the packet was stopped. Ask whoever runs the VM; an address it may rightly use is declared in its VM settings, then resolve this.',
    '若该虚拟机已强制防护，报文已被拦截。请联系其使用者；若地址确属合法，请在虚拟机设置中声明该地址，然后解决此告警。',
  ],
  [
    'firewall.drift',
    'The rules stand again as published. Find out who or what changes them on the host: another firewall, a script, a person.',
    '规则已恢复为发布的状态。请查明是谁在该宿主机上改动：其他防火墙、脚本或人员。',
  ],
  [
    'firewall.refused',
    'What stood before stands on. See the error on the host, and roll back the publication that caused it.',
    '之前的规则继续生效。请查看宿主机上的错误，并回滚引起问题的发布。',
  ],
  ['libvirt.down', 'Start libvirtd on the host again.', '请在该宿主机上重新启动 libvirtd。'],
  [
    'host.stale',
    'See whether the host and its engine run and reach the platform. Its rules stand on meanwhile.',
    '请检查宿主机及其引擎是否运行、能否连到平台。期间其规则继续生效。',
  ],
  [
    'records.lost',
    'More came than could be kept. See the counters of the host; enforcement is not touched.',
    '上报超过了可保存的数量。请查看该宿主机的计数器；防护不受影响。',
  ],
  [
    'inspection.alert',
    'See what the gateway saw, and the flow. If it is a false alarm, disable the signature in its rule set; if it is real and was only seen, let the rule drop.',
    '请查看网关检测到的内容和对应流量。若为误报，可在规则集中停用该特征；若属实且仅被检测到，可将该规则改为阻断。',
  ],
  [
    'gateway.failed',
    'What is inspected inline and open passes uninspected, what is closed is dropped, unless another instance works. It is started again by itself; see its reason and its host.',
    '若没有其他正常实例：故障放行的串接流量不经检测直接通过，故障阻断的流量被丢弃。实例会自动重启；请查看其原因和所在宿主机。',
  ],
  [
    'gateway.degraded',
    'Traffic goes on, but either it is not looked at or nothing is heard of what was seen. See the reason.',
    '流量仍在转发，但可能未被检测，或检测结果没有上报。请查看原因。',
  ],
  [
    'gateway.rules',
    'The rules before stand on. Read the error, mend or disable that rule in its rule set, and publish.',
    '之前的规则继续生效。请阅读错误信息，在规则集中修正或停用该规则，然后发布。',
  ],
  [
    'syn.flood',
    'What is over the limit is refused. Ask whoever runs the VM; where so many connections are right, raise synsPerSecond in a limit.',
    '超出限额的连接请求被拒绝。请联系其使用者；若属正常业务，请在限额中提高 synsPerSecond。',
  ],
  [
    'limit.',
    'What this VM opens beyond its limit is refused; what is open goes on. Ask whoever runs it, or raise its limit.',
    '该虚拟机超出限额的新连接会被拒绝，已有连接不受影响。请联系其使用者，或提高其限额。',
  ],
  [
    'vm.',
    'See on which host the VM really runs, and shut it down on the other.',
    '请确认虚拟机实际运行在哪台宿主机上，并在另一台上将其关闭。',
  ],
];

export function alertAdvice(kind: string, language: Language): string | null {
  const found = ADVICE.find(([start]) => kind.startsWith(start));
  return found ? found[language === 'en' ? 1 : 2] : null;
}
