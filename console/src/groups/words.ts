// Words of groups.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Groups', '安全组'],
  answer: [
    'Names for VMs and addresses; a VM enters and leaves as its labels change',
    '虚拟机和地址的命名集合；虚拟机随标签变化自动进出',
  ],
  selector: ['Selector', '选择器'],
  members: ['Members', '成员'],
  cidrs: ['Addresses', '地址段'],
  empty: ['No group yet', '还没有安全组'],
  emptyBody: [
    'A group gathers VMs by label, so that policies speak of "web" and not of addresses.',
    '安全组按标签聚合虚拟机，让策略谈论“web”而不是地址。',
  ],
  membersNow: ['VMs in it now', '当前成员虚拟机'],
  noMembers: [
    'No VM fits it now: rules with this group match nothing.',
    '当前没有虚拟机符合：使用它的规则不会匹配任何流量。',
  ],
  usedBy: ['Used by', '被引用'],
  notUsed: ['No policy speaks of it.', '没有策略引用它。'],
  edit: ['Edit', '编辑'],
});
