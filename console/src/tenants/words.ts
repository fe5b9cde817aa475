// Words of tenants.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Tenants', '租户'],
  answer: [
    'Who owns VMs and users; between tenants nothing passes unless both sides say so',
    '虚拟机与用户的归属；租户之间默认不通，除非双方都放行',
  ],
  titleColumn: ['Title', '名称（显示）'],
  within: ['Within', '租户内'],
  ingress: ['From outside', '外部进入'],
  egress: ['To outside', '去往外部'],
  empty: ['No tenant yet', '还没有租户'],
  emptyBody: [
    'A tenant owns VMs, users and policies, and sees nothing of other tenants.',
    '租户拥有虚拟机、用户和策略，看不到其他租户的任何内容。',
  ],
});
