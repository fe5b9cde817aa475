// Words of tracing.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Trace', '路径追踪'],
  answer: ['What would happen to a packet now, and why', '现在发出一个报文会怎样，为什么'],
  src: ['Source', '源'],
  dst: ['Destination', '目的'],
  service: ['Service', '服务'],
  network: ['Network (when both are on several)', '网络（双方同在多个网络时）'],
  vmOrIp: ['VM or address', '虚拟机或地址'],
  go: ['Trace', '追踪'],
  verdict: ['Verdict', '结果'],
  decidedBy: ['Decided by <rule/>', '决定规则：<rule/>'],
  tierOf: ['{{tier}} tier', '{{tier}}层级'],
  steps: ['Step by step', '逐步过程'],
  direction: ['Direction', '方向'],
  direction_out: ['leaving', '离开'],
  direction_in: ['arriving', '到达'],
  why: ['Why', '原因'],
  empty: ['Name two ends', '请填写两端'],
  emptyBody: [
    'Give a source, a destination and a service: the deciding rule, the policy and each step are shown. No packet is sent.',
    '填写源、目的和服务，即可看到决定性的规则、策略和每一步。不会真正发送报文。',
  ],
  on: ['on {{host}}', '位于 {{host}}'],
  whyUnprotected: [
    'It has no network card that can be guarded: what it sends and receives passes unseen.',
    '该虚拟机没有可防护的网卡：其收发的流量不经检查。',
  ],
  whyObserved: ['Neither end is enforced: it passes and is seen.', '两端均未强制防护：放行并记录。'],
  whyDefault: [
    'No rule matches; the default for {{what}} decides: {{verdict}}.',
    '没有规则匹配，按默认动作（{{what}}）：{{verdict}}。',
  ],
  whyRule: [
    '{{rule}} is the first rule that matches: {{verdict}}.',
    '最先匹配的规则是 {{rule}}：{{verdict}}。',
  ],
  whyNothing: ['Nothing refuses it.', '没有任何规则拦截。'],
  whyHidden: [
    '{{verdict}} at the other end, by a rule that is not yours.',
    '在另一端被{{verdict}}，该规则不属于您。',
  ],
  stepDefault: [
    'no rule matched, so the default for {{what}} holds',
    '没有规则匹配，采用默认动作（{{what}}）',
  ],
  stepRule_one: ['the first rule asked matches', '第 {{count}} 条规则匹配'],
  stepRule_other: [
    'rule {{count}} of those asked is the first that matches',
    '依次检查，第 {{count}} 条规则最先匹配',
  ],
  stepStaged: ['staged: decides nothing', '预演：不影响结果'],
  stepObserved: ['observed: nothing is enforced here', '仅观察：此处不强制'],
  stepMulticast: ['multicast and broadcast stay within the tenant', '组播和广播不出租户'],
  stepAlways: ['always passes', '始终放行'],
  semicolon: ['; ', '；'],
  swap: ['Swap source and destination', '交换源和目的'],
  stagedSays: ['Staged policies would make it: {{verdict}}', '若预演策略生效，结果将是：{{verdict}}'],
  flows: ['Flows between these two', '双方之间的流量'],
});
