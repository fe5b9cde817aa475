// suricata.yaml for the wire: what comes in at one device goes out at the other, inspected; nothing is dropped but by a
// rule. Memory is bounded by what the machine has.
import { join } from 'node:path';

export interface ConfigFacts {
  run: string;
  memoryMiB: number;
  cpus: number;
  /** Whether copies arrive as well. */
  mirror: boolean;
}

export const EVE_SOCKET = 'eve.sock';
export const COMMAND_SOCKET = 'command.sock';
/** Folder of the rules in force; the link is moved to a new one as a whole. */
export const CURRENT_RULES = 'rules/current';
export const RULE_FILE = 'suricata.rules';
export const THRESHOLD_FILE = 'threshold.config';

/**
 * `purpose` test: the same but for what would touch the running one.
 *
 * - Copies get a pair of their own, whose second device leads nowhere: Suricata refuses to only watch one device and
 *   to forward between others.
 * - A flow comes in by two devices, and is one: devices do not tell flows apart.
 * - `exception-policy: ignore`. Where Suricata has no room for state or gives up on a protocol, `drop` would let anyone
 *   who fills its tables cut off everyone, and `pass` would let anyone who breaks a parser go on unseen. Ignored, the
 *   packet passes and is still matched against what needs no state.
 * - Flows are taken up in their middle (`midstream`): they are moved between gateways, and outlive Suricata. For the
 *   same reason what does not fit a connection's state is not dropped.
 * - The kernel must not put fragments together (`defrag: no`): the whole would be too long to leave.
 * - A trunk's frames are tagged in one direction only: tags do not tell flows apart either.
 * - HOME_NET is all there is but a range nobody has, so that `!$HOME_NET` in a rule is no error: between VMs there is
 *   no inside and outside.
 */
export function suricataConfig(facts: ConfigFacts, purpose: 'wire' | 'test'): string {
  const at = (name: string) => JSON.stringify(join(facts.run, name));
  return `%YAML 1.1
---
suricata-version: "7.0"
default-log-dir: ${JSON.stringify(facts.run)}
default-rule-path: ${at(CURRENT_RULES)}
rule-files: [${RULE_FILE}]
threshold-file: ${at(`${CURRENT_RULES}/${THRESHOLD_FILE}`)}
classification-file: /etc/suricata/classification.config
reference-config-file: /etc/suricata/reference.config
exception-policy: ignore
${VARIABLES}
${purpose === 'wire' ? wire(facts, at) : 'outputs: []\n'}
logging:
  default-log-level: notice
  outputs:
    - console: { enabled: yes }
${memory(facts.memoryMiB)}
${ENGINE}
${PROTOCOLS}`;
}

function wire({ cpus, mirror }: ConfigFacts, at: (name: string) => string): string {
  const pairs = [['in0', 'in1'], ...(mirror ? [['mir0', 'mir1']] : [])];
  const devices = pairs.flatMap(([a = '', b = '']) => [
    [a, b],
    [b, a],
  ]);
  return `stats: { enabled: yes, interval: 1 }
unix-command: { enabled: yes, filename: ${at(COMMAND_SOCKET)} }
livedev: { use-for-tracking: false }
af-packet:
${devices.map(([from, to], i) => device(from ?? '', to ?? '', 90 + i, cpus)).join('\n')}
outputs:
  - eve-log:
      enabled: yes
      filetype: unix_stream
      filename: ${at(EVE_SOCKET)}
      ethernet: yes
      types:
        - alert: { payload: no, payload-printable: yes, payload-buffer-size: 2kb, packet: yes, metadata: yes, tagged-packets: no, verdict: yes }
        - anomaly: { enabled: yes, types: { decode: no, stream: no, applayer: yes } }
        - drop: { alerts: yes, flows: start, verdict: yes }
        - dns
        - http: { extended: yes }
        - http2
        - tls: { extended: yes }
        - files: { force-magic: no, force-hash: [sha256] }
        - smtp: { extended: yes }
        - stats: { totals: yes, threads: no, deltas: no }
${['dcerpc', 'flow', 'ftp', 'ike', 'krb5', 'mqtt', 'nfs', 'quic', 'rdp', 'rfb', 'sip', 'smb', 'snmp', 'ssh', 'tftp'].map((type) => `        - ${type}`).join('\n')}
`;
}

const device = (from: string, to: string, cluster: number, threads: number) =>
  `  - { interface: ${from}, threads: ${threads}, cluster-id: ${cluster}, cluster-type: cluster_flow, defrag: no, ` +
  `copy-mode: ips, copy-iface: ${to}, use-mmap: yes, tpacket-v3: no, ring-size: 2048, checksum-checks: kernel }`;

/** A third of the memory holds state; the rest is for rules, twice while they are changed, and for the daemon. */
function memory(total: number): string {
  const mib = (share: number) => `${Math.max(4, Math.floor(total * 0.33 * share))}mb`;
  const flows = total < 2_048 ? 16_384 : 65_536;
  return `max-pending-packets: 1024
flow: { memcap: ${mib(0.15)}, hash-size: ${flows}, prealloc: ${Math.floor(flows / 8)} }
defrag: { memcap: ${mib(0.05)}, hash-size: 16384, trackers: 16384, max-frags: 16384, prealloc: no, timeout: 30 }
host: { memcap: ${mib(0.03)}, hash-size: 4096, prealloc: 100 }
ippair: { memcap: ${mib(0.03)}, hash-size: 4096, prealloc: 100 }
stream:
  memcap: ${mib(0.2)}
  prealloc-sessions: 1000
  midstream: true
  async-oneside: false
  inline: yes
  drop-invalid: no
  bypass: no
  checksum-validation: yes
  reassembly: { memcap: ${mib(0.45)}, depth: 1mb }
detect: { profile: ${total < 2_048 ? 'low' : 'medium'}, sgh-mpm-context: auto }`;
}

const VARIABLES = `vars:
  address-groups:
    HOME_NET: "[0.0.0.0/0,::/0,!240.0.0.0/4]"
    EXTERNAL_NET: "$HOME_NET"
${['HTTP_SERVERS', 'SMTP_SERVERS', 'SQL_SERVERS', 'DNS_SERVERS', 'TELNET_SERVERS', 'AIM_SERVERS', 'DC_SERVERS', 'DNP3_SERVER', 'DNP3_CLIENT', 'MODBUS_CLIENT', 'MODBUS_SERVER', 'ENIP_CLIENT', 'ENIP_SERVER'].map((name) => `    ${name}: "$HOME_NET"`).join('\n')}
  port-groups:
    HTTP_PORTS: "80"
    SHELLCODE_PORTS: "!80"
    ORACLE_PORTS: 1521
    SSH_PORTS: 22
    DNP3_PORTS: 20000
    MODBUS_PORTS: 502
    FILE_DATA_PORTS: "[$HTTP_PORTS,110,143]"
    FTP_PORTS: 21
    GENEVE_PORTS: 6081
    VXLAN_PORTS: 4789
    TEREDO_PORTS: 3544`;

const ENGINE = `runmode: workers
mpm-algo: auto
spm-algo: auto
threading: { set-cpu-affinity: no }
pcre: { match-limit: 3500, match-limit-recursion: 1500 }
vlan: { use-for-tracking: false }
datasets: { rules: { allow-write: false, allow-absolute-filenames: false } }
security: { limit-noproc: true, lua: { allow-rules: false } }
coredump: { max-dump: 0 }`;

const PROTOCOLS = `asn1-max-frames: 256
app-layer:
  protocols:
${['bittorrent-dht', 'dcerpc', 'ftp', 'http2', 'ike', 'krb5', 'mqtt', 'nfs', 'ntp', 'quic', 'rdp', 'sip', 'snmp', 'ssh', 'telnet', 'tftp'].map((name) => `    ${name}: { enabled: yes }`).join('\n')}
    imap: { enabled: detection-only }
    dhcp: { enabled: no }
    pgsql: { enabled: no }
    modbus: { enabled: no }
    dnp3: { enabled: no }
    enip: { enabled: no }
    rfb: { enabled: yes, detection-ports: { dp: "5900, 5901, 5902, 5903, 5904, 5905, 5906, 5907, 5908, 5909" } }
    tls: { enabled: yes, ja3-fingerprints: auto, detection-ports: { dp: 443 } }
    smb: { enabled: yes, detection-ports: { dp: "139, 445" } }
    dns: { tcp: { enabled: yes, detection-ports: { dp: 53 } }, udp: { enabled: yes, detection-ports: { dp: 53 } } }
    smtp:
      enabled: yes
      raw-extraction: no
      mime: { decode-mime: yes, decode-base64: yes, decode-quoted-printable: yes, header-value-depth: 2000, extract-urls: yes, body-md5: no }
      inspected-tracker: { content-limit: 100000, content-inspect-min-size: 32768, content-inspect-window: 4096 }
    http:
      enabled: yes
      memcap: 64mb
      libhtp:
        default-config:
          personality: IDS
          request-body-limit: 100kb
          response-body-limit: 100kb
          request-body-minimal-inspect-size: 32kb
          request-body-inspect-window: 4kb
          response-body-minimal-inspect-size: 40kb
          response-body-inspect-window: 16kb
          response-body-decompress-layer-limit: 2
          http-body-inline: auto
          double-decode-path: no
          double-decode-query: no
`;
