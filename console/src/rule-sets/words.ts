// Words of rule sets and of their rules as a file.
import { bilingual } from '../i18n/bilingual.ts';

export const words = bilingual({
  title: ['Rule sets', '规则集'],
  answer: [
    'What the gateways look for: signatures as in Emerging Threats Open',
    '安全网关检测的内容：Emerging Threats Open 格式的特征规则',
  ],
  enabled: ['Used', '启用'],
  on: ['Rules on', '启用规则'],
  off: ['Rules off', '停用规则'],
  size: ['Size', '大小'],
  changes: ['Own choices', '自定义调整'],
  changed: [
    '{{enable}} on, {{disable}} off, {{drop}} drop',
    '启用 {{enable}}，停用 {{disable}}，阻断 {{drop}}',
  ],
  empty: ['No rule set yet', '还没有规则集'],
  emptyBody: [
    'Upload a file of rules, such as emerging-all.rules from Emerging Threats Open. Once published, every gateway loads it; one that cannot keeps what it had and says why.',
    '上传规则文件，例如 Emerging Threats Open 的 emerging-all.rules。发布后所有安全网关都会加载；无法加载的网关保留原有规则并说明原因。',
  ],
  upload: ['Upload a .rules file', '上传 .rules 文件'],
  file: ['Rules', '规则文本'],
  replace: ['Replace by a file', '用文件替换'],
  download: ['Download', '下载'],
  summary: [
    '{{size}} · lines: {{lines}} · rules on: {{on}}, off: {{off}}',
    '{{size}} · {{lines}} 行 · 启用 {{on}} 条，停用 {{off}} 条',
  ],
  aside: [
    'Too long to edit here: in the text below a short line stands for it. Download it, change it, and replace it by the changed file.',
    '内容过长，无法在此编辑：下方文本中以一行占位。请下载、修改后再用文件替换。',
  ],
  lostTitle: ['The rules are not on this page any more', '规则文本已不在此页面'],
  lost: [
    'The line that stands for them in the text below was written by hand or left over. Choose the file again.',
    '下方文本中的占位行是手写的或残留的。请重新选择文件。',
  ],
  unreadable: [
    'The text below cannot be read as YAML: mend it first, then choose the file.',
    '下方文本不是有效的 YAML：请先修正，再选择文件。',
  ],
  tooLong: [
    '{{name}} has {{size}} of text; a rule set holds {{most}}. Split it into two rule sets.',
    '{{name}} 的文本为 {{size}}，规则集上限为 {{most}}。请拆分为两个规则集。',
  ],
  notText: [
    '{{name}} is no text. Unpack an archive first and choose the .rules file in it.',
    '{{name}} 不是文本文件。请先解压，再选择其中的 .rules 文件。',
  ],
  noRule: ['{{name}} has no rule in it.', '{{name}} 中没有规则。'],
  sid: ['Signature number', '特征编号'],
  look: ['Find the rule', '查找规则'],
  foundOn: ['Line {{line}}, on in the text', '第 {{line}} 行，文本中为启用'],
  foundOff: ['Line {{line}}, off in the text', '第 {{line}} 行，文本中为停用'],
  notFound: ['No rule with number {{sid}} in this text.', '此文本中没有编号为 {{sid}} 的规则。'],
  inSets: ['Rule sets with this rule', '包含此规则的规则集'],
  inNone: ['No rule set has it any more.', '已没有规则集包含此规则。'],
});
