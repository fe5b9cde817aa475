// Words of networks.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Networks', '网络'],
  answer: [
    'Segments in which an address means one thing; a bridge is its own network until a document joins several',
    '地址在其中唯一的网段；每个网桥自成网络，直到用文档把多个网桥合并',
  ],
  members: ['Bridges', '网桥'],
  owner: ['Tenant', '租户'],
  empty: ['No network joined yet', '还没有合并的网络'],
  emptyBody: [
    'Bridges of several hosts that are one segment are joined here, so that addresses on them are told apart rightly.',
    '把多台宿主机上属于同一网段的网桥在此合并，地址才能被正确区分。',
  ],
});
