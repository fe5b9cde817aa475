// Words of insertions: whose traffic goes through a gateway.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Insertions', '引流'],
  answer: [
    'Whose traffic passes through a gateway or is copied to it, after the firewall has allowed it',
    '哪些流量在防火墙放行之后经过安全网关，或被镜像给它',
  ],
  mode: ['Mode', '方式'],
  modeHelp_inline: [
    'inline: traffic passes through the gateway, which may drop it',
    '串接：流量经过网关，网关可以丢弃',
  ],
  modeHelp_mirror: ['mirror: the gateway gets a copy', '镜像：网关得到一份副本'],
  failure: ['Without a gateway', '网关故障时'],
  failureHelp_open: [
    'open: while no gateway works, traffic passes uninspected',
    '故障放行：没有可用网关时，流量不经检测直接通过',
  ],
  failureHelp_closed: [
    'closed: while no gateway works, traffic is dropped',
    '故障阻断：没有可用网关时，流量被丢弃',
  ],
  notInline: ['a copy: nothing is held up', '镜像副本：不影响流量'],
  services: ['Services', '服务'],
  everything: ['everything allowed', '全部已放行流量'],
  empty: ['No insertion yet', '还没有引流'],
  emptyBody: [
    'An insertion says whose traffic goes through the gateway of its host: inline, where the gateway may drop it, or mirrored, as a copy. Its VMs must be enforced. Begin with a mirror: it touches no traffic.',
    '引流规定哪些虚拟机的流量经过所在宿主机的安全网关：串接时网关可以丢弃流量，镜像时只得到副本。相关虚拟机必须处于强制防护。建议先用镜像：不影响流量。',
  ],
  tabVms: ['VMs', '虚拟机'],
  vm: ['VM', '虚拟机'],
  protection: ['Protection', '防护'],
  host: ['Host', '宿主机'],
  hostGateway: ['Gateway of the host', '宿主机的安全网关'],
  noGateway: ['none', '无'],
  goesThrough_one: [
    '{{count}} VM: its traffic is inspected where its host has a working gateway.',
    '{{count}} 台虚拟机：所在宿主机有正常网关时，其流量会被检测。',
  ],
  goesThrough_other: [
    '{{count}} VMs: their traffic is inspected where their host has a working gateway.',
    '{{count}} 台虚拟机：所在宿主机有正常网关时，其流量会被检测。',
  ],
  notEnforced_one: [
    '{{count}} VM is not enforced: nothing of it is inspected.',
    '{{count}} 台虚拟机未强制防护：其流量不会被检测。',
  ],
  notEnforced_other: [
    '{{count}} VMs are not enforced: nothing of them is inspected.',
    '{{count}} 台虚拟机未强制防护：其流量不会被检测。',
  ],
  draft: ['This is the draft; it is in force once it is published.', '此为草稿，发布后生效。'],
  nobody: ['It applies to no VM now', '目前没有适用的虚拟机'],
  nobodyBody: [
    'When a VM fits it, by label, group or name, that VM appears here.',
    '按标签、安全组或名称匹配到的虚拟机会显示在这里。',
  ],
});
