// MITRE ATT&CK techniques by name, as signatures name them by number; and a rule's own number as a link's target.
import type { Language } from '../i18n/language.ts';

/** Those that signature files speak of. Names as MITRE writes them. */
const TECHNIQUES: Readonly<Record<string, readonly [en: string, zh: string]>> = {
  T1003: ['OS Credential Dumping', '操作系统凭据转储'],
  T1005: ['Data from Local System', '窃取本地系统数据'],
  T1018: ['Remote System Discovery', '远程系统发现'],
  T1021: ['Remote Services', '利用远程服务登录'],
  T1027: ['Obfuscated Files or Information', '混淆文件或信息'],
  T1036: ['Masquerading', '伪装'],
  T1040: ['Network Sniffing', '网络嗅探'],
  T1041: ['Exfiltration Over C2 Channel', '通过命令控制通道外传数据'],
  T1046: ['Network Service Discovery', '网络服务扫描'],
  T1048: ['Exfiltration Over Alternative Protocol', '通过其他协议外传数据'],
  T1055: ['Process Injection', '进程注入'],
  T1059: ['Command and Scripting Interpreter', '命令与脚本解释器'],
  T1068: ['Exploitation for Privilege Escalation', '利用漏洞提权'],
  T1071: ['Application Layer Protocol', '应用层协议通信'],
  T1078: ['Valid Accounts', '滥用有效账户'],
  T1082: ['System Information Discovery', '系统信息收集'],
  T1083: ['File and Directory Discovery', '文件与目录发现'],
  T1090: ['Proxy', '代理'],
  T1095: ['Non-Application Layer Protocol', '非应用层协议通信'],
  T1102: ['Web Service', '借用 Web 服务通信'],
  T1105: ['Ingress Tool Transfer', '传入工具'],
  T1110: ['Brute Force', '暴力破解'],
  T1114: ['Email Collection', '收集邮件'],
  T1132: ['Data Encoding', '数据编码'],
  T1133: ['External Remote Services', '外部远程服务'],
  T1176: ['Browser Extensions', '浏览器扩展'],
  T1189: ['Drive-by Compromise', '水坑与路过式攻击'],
  T1190: ['Exploit Public-Facing Application', '攻击对外开放的应用'],
  T1203: ['Exploitation for Client Execution', '利用客户端漏洞执行'],
  T1204: ['User Execution', '诱导用户执行'],
  T1210: ['Exploitation of Remote Services', '攻击远程服务'],
  T1219: ['Remote Access Software', '远程控制软件'],
  T1486: ['Data Encrypted for Impact', '加密数据勒索'],
  T1496: ['Resource Hijacking', '劫持资源（挖矿）'],
  T1498: ['Network Denial of Service', '网络拒绝服务'],
  T1499: ['Endpoint Denial of Service', '主机拒绝服务'],
  T1505: ['Server Software Component', '服务器组件后门'],
  T1557: ['Adversary-in-the-Middle', '中间人攻击'],
  T1566: ['Phishing', '网络钓鱼'],
  T1567: ['Exfiltration Over Web Service', '通过 Web 服务外传数据'],
  T1568: ['Dynamic Resolution', '动态域名解析'],
  T1571: ['Non-Standard Port', '使用非标准端口'],
  T1572: ['Protocol Tunneling', '协议隧道'],
  T1573: ['Encrypted Channel', '加密通道'],
  T1583: ['Acquire Infrastructure', '获取攻击设施'],
  T1587: ['Develop Capabilities', '开发攻击能力'],
  T1588: ['Obtain Capabilities', '获取攻击能力'],
  T1595: ['Active Scanning', '主动扫描'],
};

/** `Exploit Public-Facing Application (T1190)`; a sub-technique by its technique's name, an unknown one by number. */
export function techniqueText(id: string, language: Language): string {
  const names = /^T\d{4}(\.\d{3})?$/.test(id) ? TECHNIQUES[id.slice(0, 5)] : undefined;
  if (!names) return id;
  return language === 'en' ? `${names[0]} (${id})` : `${names[1]}（${id}）`;
}
