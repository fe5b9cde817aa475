// Words of the side panel.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  close: ['Close the panel', '关闭面板'],
  label: ['Details', '详情'],
  vm: ['VM', '虚拟机'],
  flow: ['Flow', '流量'],
  rule: ['Rule', '规则'],
  alert: ['Alert', '告警'],
  host: ['Host', '宿主机'],
  group: ['Group', '安全组'],
  publication: ['Publication', '发布'],
  gateway: ['Gateway instance', '安全网关实例'],
  event: ['Inspection event', '检测事件'],
});
