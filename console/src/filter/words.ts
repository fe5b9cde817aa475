// Words of the filter bar; each mistake it can name, with the nearest right name where there is one.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  label: ['Filter flows', '筛选流量'],
  placeholder: ['vm:web-1 verdict:drop port:22', 'vm:web-1 verdict:drop port:22'],
  clear: ['Clear the filter', '清除筛选'],
  remove: ['Remove {{term}}', '移除 {{term}}'],
  not: ['not', '非'],
  suggestions: ['Suggestions', '建议'],
  hint: [
    'Press Enter to apply. Commas mean "any of", a leading "-" excludes.',
    '按回车应用。逗号表示“任一”，前面加“-”表示排除。',
  ],
  nearest: ['Did you mean "{{nearest}}"?', '您是否要写“{{nearest}}”？'],
  'unknown-field': ['Unknown field "{{value}}".', '未知字段“{{value}}”。'],
  'missing-value': ['"{{field}}:" needs a value.', '“{{field}}:”后面缺少值。'],
  'unclosed-quote': ['The quote is never closed.', '引号没有闭合。'],
  'bad-verdict': ['"{{value}}" is no verdict.', '“{{value}}”不是有效的处置结果。'],
  'bad-staged': ['"{{value}}" is no staged verdict.', '“{{value}}”不是有效的预演结果。'],
  'bad-port': [
    '"{{value}}" is no port or range; write 22 or 8000-8100.',
    '“{{value}}”不是端口或端口范围，请写 22 或 8000-8100。',
  ],
  'bad-address': [
    '"{{value}}" is no address or prefix; write 10.0.0.5 or 10.0.0.0/24.',
    '“{{value}}”不是地址或网段，请写 10.0.0.5 或 10.0.0.0/24。',
  ],
  'bad-instant': [
    '"{{value}}" is no time; write an age such as 15m, or 2026-05-01T08:00:00Z.',
    '“{{value}}”不是时间，请写 15m 这样的时长，或 2026-05-01T08:00:00Z。',
  ],
  'exclude-time': ['"{{field}}" cannot be excluded.', '“{{field}}”不能排除。'],
  'repeated-time': ['"{{field}}" is given more than once.', '“{{field}}”重复了。'],
  field_vm: ['either end is this VM', '任意一端是该虚拟机'],
  field_from: ['the source', '源'],
  field_to: ['the destination', '目的'],
  field_ip: ['an address or prefix at either end', '任意一端的地址或网段'],
  field_port: ['destination port or range', '目的端口或范围'],
  field_protocol: ['tcp, udp, icmp, …', 'tcp、udp、icmp 等协议'],
  field_verdict: ['what happened to it', '处置结果'],
  field_staged: ['what staged policies would do', '预演策略的结果'],
  field_rule: ['the rule that decided', '命中的规则'],
  field_tenant: ['a tenant at either end', '任意一端的租户'],
  field_network: ['the network', '网络'],
  field_host: ['the host that saw it', '上报的宿主机'],
  field_since: ['not older than', '不早于'],
  field_until: ['not younger than', '不晚于'],
});
