// Gateways, insertions and rule sets of the lab, made and watched as an operator does it.
import assert from 'node:assert/strict';
import type { GatewayForm } from '@wocloud/protocol/resources/gateway.ts';
import type { InsertionSpec } from '@wocloud/protocol/resources/insertion.ts';
import type { GatewayView, InspectionView } from '@wocloud/protocol/views.ts';
import { done } from '../demo/published.ts';
import type { Guest } from '../probe.ts';
import { within, type Stack } from '../stack.ts';

export const HOST = 'lab-1';
export const NAME = 'edge';

/** What the rules of the lab drop, wherever it is said. */
export const MARK = 'EXPLOIT-ME';

/** What the lab's gateways look for. */
export const RULES = `
alert http any any -> any any (msg:"LAB a forbidden page is asked for"; flow:established,to_server; http.uri; content:"/forbidden"; classtype:web-application-attack; metadata:mitre_technique_id T1190; sid:9000001; rev:1;)
drop tcp any any -> any any (msg:"LAB exploit"; flow:established; content:"${MARK}"; classtype:attempted-admin; metadata:mitre_technique_id T1210, signature_severity Critical; sid:9000002; rev:1;)
drop udp any any -> any any (msg:"LAB exploit by UDP"; content:"${MARK}"; classtype:attempted-admin; sid:9000003; rev:1;)
`;

/** One as `apply -f -` takes it. */
export const document = (kind: string, name: string, spec: object, tenant?: string): string =>
  JSON.stringify({ apiVersion: 'wocloud/v1', kind, metadata: { name, ...(tenant ? { tenant } : {}) }, spec });

/** The instances of the lab's gateway, as the platform knows them. */
export async function instances(stack: Stack): Promise<GatewayView[]> {
  return (await stack.client.call('instances.list', { query: { gateway: NAME } })).items;
}

/** Its number on the host: in the names of its devices, its domain, its namespace. */
export const numberOf = ({ id }: Pick<GatewayView, 'id'>): number => Number(id.split('/')[1]);

/** Deploys (or changes) the gateway of the host, and waits until all its instances work with the rules in force. */
export async function deploy(
  stack: Stack,
  spec: { form: GatewayForm; instances?: number; memoryMiB?: number; vcpus?: number },
): Promise<GatewayView[]> {
  await done(stack, ['apply', '-f', '-'], document('Gateway', NAME, { host: HOST, ...spec }));
  return working(stack, spec.form, spec.instances ?? 1);
}

/** Waits until so many instances of this form work, and no other is left. */
export async function working(stack: Stack, form: GatewayForm, count: number): Promise<GatewayView[]> {
  const { value } = await within(120_000, `${count} working instances as ${form}`, async () => {
    const list = await instances(stack);
    return list.length === count && list.every((i) => i.form === form && i.state === 'working')
      ? list
      : undefined;
  });
  return value;
}

export async function retire(stack: Stack): Promise<void> {
  await done(stack, ['delete', 'gateway', NAME, '--yes']);
  await within(60_000, 'no instance', async () => ((await instances(stack)).length === 0 ? true : undefined));
}

/** Puts rules in force, and waits until every instance has them. */
export async function rules(stack: Stack, text: string, name = 'lab'): Promise<void> {
  await done(stack, ['apply', '-f', '-'], document('RuleSet', name, { rules: text }));
  await done(stack, ['publish', '-m', `rule set ${name}`]);
}

/** Whose traffic is inspected from now on. Publishing waits for the host's receipt: it stands in the kernel. */
export async function insert(stack: Stack, spec: InsertionSpec, name = 'lab'): Promise<void> {
  await done(stack, ['apply', '-f', '-'], document('Insertion', name, spec, 'acme'));
  await done(stack, ['publish', '-m', `insertion ${name}`]);
}

export async function remove(stack: Stack, name = 'lab'): Promise<void> {
  await done(stack, ['delete', 'insertion', name, '-t', 'acme', '--yes']);
  await done(stack, ['publish', '-m', `without insertion ${name}`]);
}

/** Frames the host has sent into an instance (`in`) and received from it (`out`), on both of its devices. */
export async function frames(stack: Stack, number: number): Promise<{ in: number; out: number }> {
  const read = async (device: string) => {
    const text = await stack.lab.host.run(['ip', '-s', '-j', 'link', 'show', device]);
    const [link] = JSON.parse(text) as { stats64: Record<'rx' | 'tx', { packets: number }> }[];
    assert.ok(link, device);
    return link.stats64;
  };
  const [a, b] = await Promise.all([read(`wog${number}a`), read(`wog${number}b`)]);
  return { in: a.tx.packets + b.tx.packets, out: a.rx.packets + b.rx.packets };
}

const GET = `
import http.client, sys
host, path, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
c = http.client.HTTPConnection(host, port, timeout=5)
try:
    c.request('GET', path); print(c.getresponse().status)
except (TimeoutError, OSError) as e: print(type(e).__name__)
`;

/** One HTTP request from a guest: its status, or how it failed. */
export async function get(vm: Guest, host: string, path: string, port = 80): Promise<string> {
  return (await vm.output(['python3', '-c', GET, host, path, String(port)], { timeout: 20_000 })).trim();
}

const SAY = `
import socket, sys
host, port, text = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
s = socket.create_connection((host, port), timeout=5)
s.sendall(text)
s.settimeout(3)
try: print(s.recv(4096).decode())
except (TimeoutError, OSError): print('nothing')
`;

/** Says something to a TCP echo service: what came back, or 'nothing'. */
export async function say(vm: Guest, host: string, text: string): Promise<string> {
  return (await vm.output(['python3', '-c', SAY, host, '7', text], { timeout: 20_000 })).trim();
}

/** Program of `Background`: says what the rules drop, to UDP port 7, until told to stop; tells how often. */
export const SAY_MARK = `
import socket, time
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
said = 0
UP()
while not STOPPED():
    udp.sendto(b'${MARK}', (sys.argv[1], 7)); said += 1
    time.sleep(0.02)
TELL(said)
`;

/** The newest inspection events that fit, asked for until there is one. */
export async function event(stack: Stack, query: object, ms = 5_000): Promise<InspectionView> {
  const { value } = await within(ms, `an event ${JSON.stringify(query)}`, async () => {
    const { items } = await stack.client.call('inspection.list', { query: { since: '1m', ...query } });
    return items[0];
  });
  return value;
}
