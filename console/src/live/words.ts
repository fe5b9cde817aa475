// Words of what is live: whether it is, and the rows that wait.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  pause: ['Pause', '暂停'],
  resume: ['Resume', '继续'],
  live: ['Live', '实时'],
  pausedState: ['Paused', '已暂停'],
  past: ['Past time range', '历史时间段'],
  connecting: ['Connecting', '正在连接'],
  offline: ['Not live', '非实时'],
  new_one: ['{{count}} new', '{{count}} 条新记录'],
  new_other: ['{{count}} new', '{{count}} 条新记录'],
  newShow: ['Show the new ones at the top', '在顶部显示新记录'],
});
