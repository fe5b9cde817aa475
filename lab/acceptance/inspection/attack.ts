// Real tools of attackers against a VM behind the gateway, and what is seen of each: alerts with who and how, events,
// flows. A flood is stopped at its source before it takes anything from anyone.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Alert } from '@wocloud/protocol/views.ts';
import { Background } from '../background.ts';
import { done } from '../demo/published.ts';
import { connectFrom } from '../probe.ts';
import { within, type Stack } from '../stack.ts';
import { deploy, document, insert, remove, rules } from './gateway.ts';

const WEB = '10.40.0.11';

const RULES = `
alert tcp any any -> any any (msg:"LAB port scan"; flags:S,12; threshold:type both, track by_src, count 40, seconds 20; classtype:network-scan; metadata:mitre_technique_id T1046; sid:9100001; rev:1;)
alert http any any -> any any (msg:"LAB a scanner's requests"; flow:established,to_server; http.user_agent; content:"Nmap Scripting Engine"; classtype:web-application-activity; metadata:mitre_technique_id T1595; sid:9100002; rev:1;)
alert http any any -> any any (msg:"LAB passwords are tried"; flow:established,to_server; http.uri; content:"/sign-in?"; threshold:type both, track by_src, count 5, seconds 60; classtype:attempted-user; metadata:mitre_technique_id T1110; sid:9100003; rev:1;)
alert dns any any -> any any (msg:"LAB a tunnel in names"; dns.query; bsize:>50; threshold:type both, track by_src, count 3, seconds 60; classtype:bad-unknown; metadata:mitre_technique_id T1071.004; sid:9100004; rev:1;)
`;

/** What hydra tries; the page never says the word that would tell it a password was right. */
const FORM = '/sign-in:name=^USER^&password=^PASS^:S=welcome';

/** Knocks at a service every 100 ms until told to stop; tells how often it was let in, and how often not. */
const VISIT = `
import socket, time
to = (sys.argv[1], int(sys.argv[2]))
opened = failed = 0
UP()
while not STOPPED():
    try:
        socket.create_connection(to, timeout=1).close(); opened += 1
    except OSError: failed += 1
    time.sleep(0.1)
TELL({'opened': opened, 'failed': failed})
`;

export function attackTests(of: () => Stack): void {
  const attacker = () => of().lab.vm('attacker');
  const tool = (argv: string[], timeout: number) =>
    attacker().exec(['chroot', '/tools', ...argv], { timeout });
  const alerted = async (ms: number, fits: (alert: Alert) => boolean): Promise<Alert> => {
    const { value } = await within(ms, 'the alert', async () => {
      const { items } = await of().client.call('alerts.list', { query: { vm: 'attacker', limit: 200 } });
      return items.find(fits);
    });
    return value;
  };
  const bySignature = (id: number) => alerted(5_000, (alert) => Number(alert.evidence['signature']) === id);

  describe('attackers', () => {
    test('a gateway watches', { timeout: 180_000 }, async () => {
      await rules(of(), RULES, 'attacks');
      await deploy(of(), { form: 'container' });
      await insert(of(), { appliesTo: { selector: 'app=web' }, mode: 'inline' });
      await within(30_000, 'the rules', async () => {
        const [instance] = (await of().client.call('instances.list', { query: {} })).items;
        return instance && instance.loaded >= 4 ? true : undefined;
      });
    });

    test('nmap: a scan, and its requests', { timeout: 120_000 }, async () => {
      await tool(['nmap', '-n', '-Pn', '-sS', '-p', '1-120', '--max-retries', '0', WEB], 60_000);
      const scan = await bySignature(9_100_001);
      assert.deepEqual([scan.vmName, scan.tenant], ['attacker', 'globex']);
      assert.match(JSON.stringify(scan.evidence), /T1046/);
      const { items } = await of().client.call('flows.list', {
        query: { since: '2m', from: ['attacker'], limit: 1_000 },
      });
      assert.ok(new Set(items.map((flow) => flow.dst.port)).size >= 100, 'each port it tried is a flow');
      await tool(['nmap', '-n', '-Pn', '-p', '80', '--script', 'http-title', WEB], 60_000);
      await bySignature(9_100_002);
    });

    test('hydra: passwords tried on a web server', { timeout: 120_000 }, async () => {
      await attacker().output(['tee', '/tmp/words'], {
        stdin: Array.from({ length: 20 }, (_, i) => `password${i}\n`).join(''),
      });
      await tool(
        ['hydra', '-l', 'admin', '-P', '/tmp/words', '-t', '2', '-I', WEB, 'http-get-form', FORM],
        60_000,
      );
      const alert = await bySignature(9_100_003);
      assert.equal(alert.vmName, 'attacker');
    });

    test('iodine: a tunnel in DNS', { timeout: 120_000 }, async () => {
      await using _ = await nameServer(of(), 'web', [
        'iodined',
        '-f',
        '-P',
        'secret',
        '10.99.0.1',
        't.example',
      ]);
      await tool(
        ['timeout', '15', 'iodine', '-f', '-r', '-P', 'secret', '-T', 'TXT', WEB, 't.example'],
        30_000,
      );
      await bySignature(9_100_004);
      const dns = await of().client.call('inspection.list', {
        query: { since: '2m', type: ['dns'], vm: ['attacker'] },
      });
      assert.ok(dns.items.some((event) => event.subject.includes('.t.example ')));
    });

    test('hping3: a SYN flood ends at its source', { timeout: 120_000 }, async () => {
      const limit = { appliesTo: 'all', synsPerSecond: 200 };
      await done(of(), ['apply', '-f', '-'], document('Limit', 'calm', limit, 'globex'));
      await done(of(), ['publish', '-m', 'limit']);
      await using visits = await Background.start(of().lab.vm('client'), 'visits', VISIT, [WEB, '80']);
      const entries = async () =>
        Number(
          await of().lab.host.run(
            'conntrack -C 2>/dev/null || cat /proc/sys/net/netfilter/nf_conntrack_count',
          ),
        );
      const before = await entries();
      await tool(['timeout', '8', 'hping3', '-q', '--flood', '-S', '-p', '80', WEB], 30_000);
      const added = (await entries()) - before;
      assert.ok(added < 1_000, `${added} entries in conntrack`);
      const flood = await alerted(5_000, (alert) => alert.kind === 'syn.flood');
      assert.deepEqual([flood.vmName, flood.tenant], ['attacker', 'globex']);
      const seen = (await visits.stop()) as { opened: number; failed: number };
      assert.ok(seen.opened > 10, JSON.stringify(seen));
      assert.equal(seen.failed, 0, "the victim's other clients are served throughout");
      await within(30_000, 'the attacker is let in again, once it is over', async () =>
        (await connectFrom(attacker(), WEB, 80)) === 'open' ? true : undefined,
      );
      await done(of(), ['delete', 'rule-set', 'attacks', '--yes']);
      await done(of(), ['delete', 'limit', 'calm', '-t', 'globex', '--yes']);
      await remove(of());
    });
  });
}

/** A server on UDP port 53 with the attacker's tools, for the time of a test; listening when this resolves. */
async function nameServer(stack: Stack, name: string, argv: string[]): Promise<AsyncDisposable> {
  const vm = stack.lab.vm(name);
  const [program] = argv;
  const log = `/tmp/${program}.log`;
  await vm.output(
    `setsid chroot /tools ${argv.join(' ')} </dev/null >${log} 2>&1 & ` +
      `until busybox netstat -lnu | grep -q ':53 '; do kill -0 $! || { cat ${log}; exit 1; }; sleep 0.05; done`,
  );
  return {
    async [Symbol.asyncDispose]() {
      await vm.exec(['busybox', 'killall', program as string]);
    },
  };
}
