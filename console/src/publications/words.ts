// Words of publishing: changes, receipts, history, rollback.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Publishing', '发布'],
  answer: [
    'What is saved but not in force, and what was put in force when',
    '哪些改动已保存但未生效，以及历次发布',
  ],
  changes: ['Waiting to be published', '待发布的改动'],
  noChanges: [
    'Everything saved is in force. Edit a policy, group or service: it waits here until it is published.',
    '所有已保存的改动均已生效。编辑策略、安全组或服务后，会在此等待发布。',
  ],
  message: ['Message: why', '说明：为什么'],
  publish: ['Publish…', '发布…'],
  publishTitle_one: ['Put {{count}} change in force?', '使 {{count}} 处改动生效？'],
  publishTitle_other: ['Put {{count}} changes in force?', '使 {{count}} 处改动生效？'],
  publishWhat_one: [
    'Compiled for {{count}} host, applied in the kernel as one transaction on each, read back and receipted.',
    '将为 {{count}} 台宿主机编译，在内核中以事务方式一次生效，读回核对并返回回执。',
  ],
  publishWhat_other: [
    'Compiled for {{count}} hosts, applied in the kernel as one transaction on each, read back and receipted.',
    '将为 {{count}} 台宿主机编译，在每台内核中以事务方式一次生效，读回核对并返回回执。',
  ],
  publishedMeanwhile: [
    'Someone has published these changes meanwhile; nothing is left to do here.',
    '其间已有人发布了这些改动，此处无需再操作。',
  ],
  publishUndo: [
    'Roll back to the publication before, from the history below: as quick as publishing.',
    '可在下方历史中回滚到上一次发布，与发布一样快。',
  ],
  publishDo: ['Publish', '发布'],
  history: ['History', '历史'],
  number: ['No.', '编号'],
  when: ['When', '时间'],
  who: ['Who', '发布人'],
  what: ['Message', '说明'],
  state: ['State', '状态'],
  hosts: ['Hosts', '宿主机'],
  changed: ['What changed', '改动内容'],
  count: ['Changes', '改动数'],
  rollbackOf: ['rollback to {{id}}', '回滚到 {{id}}'],
  empty: ['Nothing was published yet', '还没有发布过'],
  emptyBody: [
    'Each publication appears here with the receipt of every host.',
    '每次发布及各宿主机的回执会显示在这里。',
  ],
  receipts: ['Receipts', '回执'],
  generation: ['Generation', '代次'],
  took: ['Proven after', '验证耗时'],
  receiptsOf: ['{{done}} of {{all}} hosts proven', '{{all}} 台宿主机中 {{done}} 台已验证'],
  rollback: ['Roll back to this…', '回滚到此次…'],
  rollbackTitle: ['Return to publication {{id}}?', '回到第 {{id}} 次发布？'],
  rollbackWhat: [
    'Everything that was in force after publication {{id}} is in force again. What was published since stays in the history; drafts that nobody has published stay drafts.',
    '第 {{id}} 次发布后生效的全部内容将重新生效。此后发布过的改动保留在历史中；从未发布的草稿仍是草稿。',
  ],
  rollbackUndo: ['Roll back to the publication before this one.', '再回滚到此前的那次发布即可。'],
  rollbackDo: ['Roll back', '回滚'],
  titleOf: ['Publication {{id}}', '第 {{id}} 次发布'],
  noMessage: ['no message', '无说明'],
});
