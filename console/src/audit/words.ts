// Words of the audit log.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Audit', '审计'],
  answer: ['Who did what, in a log that shows tampering', '谁做了什么；日志若被篡改即可发现'],
  index: ['No.', '序号'],
  at: ['When', '时间'],
  who: ['Who', '操作人'],
  via: ['Via', '途径'],
  operation: ['Operation', '操作'],
  object: ['Object', '对象'],
  outcome: ['Outcome', '结果'],
  status: ['Status', '状态码'],
  tenant: ['Tenant', '租户'],
  hash: ['Hash', '哈希'],
  findWho: ['By whom', '操作人'],
  findOperation: ['Operation', '操作'],
  findObject: ['Object', '对象'],
  changes: ['Only what changed something, or failed', '仅看变更和失败的操作'],
  verify: ['Verify the chain', '校验哈希链'],
  verified: ['{{entries}} entries, unbroken. Head {{head}}', '共 {{entries}} 条，链完整。链头 {{head}}'],
  broken: [
    'The chain is broken at entry {{at}}: what follows cannot be trusted.',
    '链在第 {{at}} 条断裂，其后的内容不可信。',
  ],
  empty: ['Nothing in this time range', '该时间范围内没有记录'],
  emptyBody: [
    'Every operation is written here, reads and refusals as well; one that cannot be written does not happen.',
    '每次操作，包括读取和被拒绝的请求，都会写入此处；无法写入的操作不会执行。',
  ],
  detail: ['Details', '详情'],
});
