// Words of alerts.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Alerts', '告警'],
  answer: ['What needs a person, worst first', '需要人处理的事项，最严重的在前'],
  severity: ['Severity', '级别'],
  state: ['State', '状态'],
  what: ['What', '内容'],
  where: ['Where', '位置'],
  count: ['Times', '次数'],
  last: ['Last', '最近'],
  first: ['First', '首次'],
  kind: ['Kind', '类型'],
  tenant: ['Tenant', '租户'],
  note: ['Note', '备注'],
  handledBy: ['Handled by', '处理人'],
  find: ['Find in alerts', '在告警中查找'],
  empty: ['No alert', '没有告警'],
  emptyBody: [
    'Forged addresses, hand-made changes in the firewall, silent hosts and logged rules appear here, each with its evidence.',
    '伪造地址、防火墙被手工改动、宿主机失联、规则日志等会连同证据显示在这里。',
  ],
  emptyOpen: ['No open alert', '没有待处理的告警'],
  emptyOpenBody: [
    'Nothing needs you. Handled alerts are under another state.',
    '目前无需处理。已处理的告警可在其他状态下查看。',
  ],
  evidence: ['Evidence', '证据'],
  noEvidence: ['No further evidence', '没有更多证据'],
  flows: ['Flows around that time', '当时的流量'],
  acknowledge: ['Acknowledge', '确认'],
  resolve: ['Resolve', '解决'],
  reopen: ['Reopen', '重新打开'],
  noteLabel: ['Note for whoever looks next', '给后来者的备注'],
  gone: ['This alert is not here, or not yours to see.', '该告警不存在，或您无权查看。'],
});
