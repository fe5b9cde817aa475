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
  decidedBy: ['Decided by', '由此决定'],
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
  swap: ['Swap source and destination', '交换源和目的'],
  stagedSays: ['Staged policies would make it: {{verdict}}', '若预演策略生效，结果将是：{{verdict}}'],
  flows: ['Flows between these two', '双方之间的流量'],
});
