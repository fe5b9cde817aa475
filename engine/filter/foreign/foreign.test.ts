// Other firewalls' rules, as their own tools write them, and whether a bridged frame could be lost in them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { readLegacySave } from './legacy.ts';
import { couldDrop, type ForeignBase } from './model.ts';
import { readListing } from './nft-json.ts';

/** Runs shell commands in a network namespace of their own; what nft lists then. */
function listed(commands: string): ForeignBase[] {
  const script = `set -e\n${commands}\nexec nft -j list ruleset`;
  return readListing(
    JSON.parse(execFileSync('unshare', ['-n', 'sh', '-c', script], { encoding: 'utf8', maxBuffer: 1 << 26 })),
  );
}

const DOCKER = `
iptables -P FORWARD DROP; iptables -N DOCKER; iptables -N DOCKER-USER; iptables -N DOCKER-ISOLATION-STAGE-1
iptables -A FORWARD -j DOCKER-USER; iptables -A FORWARD -j DOCKER-ISOLATION-STAGE-1
iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A FORWARD -o docker0 -j DOCKER; iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
iptables -A FORWARD -i docker0 -o docker0 -j ACCEPT; iptables -A DOCKER-USER -j RETURN
iptables -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DROP`;
const LIBVIRT = `
iptables -N LIBVIRT_FWX; iptables -N LIBVIRT_FWI; iptables -N LIBVIRT_FWO
iptables -A FORWARD -j LIBVIRT_FWX; iptables -A FORWARD -j LIBVIRT_FWI; iptables -A FORWARD -j LIBVIRT_FWO
iptables -A LIBVIRT_FWX -i virbr0 -o virbr0 -j ACCEPT; iptables -A LIBVIRT_FWI -o virbr0 -j REJECT
iptables -A LIBVIRT_FWO -i virbr0 -j REJECT`;
const FIREWALLD = `nft 'table inet firewalld {
 chain filter_FORWARD { type filter hook forward priority 10; policy accept;
  ct state { established, related } accept
  iifname "lo" accept
  jump filter_FORWARD_POLICIES
  ct state { invalid } drop
  reject with icmpx type admin-prohibited
 }
 chain filter_FORWARD_POLICIES { iifname "virbr0" goto fwd_libvirt
  goto fwd_public
 }
 chain fwd_public { reject with icmpx type admin-prohibited; }
 chain fwd_libvirt { accept; }
 chain mangle_PREROUTING { type filter hook prerouting priority -140; policy accept;
  meta nfproto ipv6 fib saddr . mark . iif oif missing drop
 }
}'`;

const tables: { name: string; rules: string; bridge: string; drops: Record<string, RegExp[]> }[] = [
  { name: 'nothing', rules: 'true', bridge: 'br0', drops: {} },
  {
    name: "Docker's dropping forward policy",
    rules: DOCKER,
    bridge: 'br0',
    drops: { 'ip filter FORWARD': [/policy/] },
  },
  { name: "Docker's own bridge", rules: DOCKER, bridge: 'docker0', drops: {} },
  { name: "libvirt's rules on its own bridge", rules: LIBVIRT, bridge: 'virbr0', drops: {} },
  { name: "libvirt's rules on another bridge", rules: LIBVIRT, bridge: 'br0', drops: {} },
  {
    name: 'firewalld on a bridge in a rejecting zone',
    rules: FIREWALLD,
    bridge: 'br0',
    drops: { 'inet firewalld filter_FORWARD': [/reject/], 'inet firewalld mangle_PREROUTING': [/drop/] },
  },
  {
    name: 'firewalld on a bridge in an accepting zone, but for its reverse path filter',
    rules: FIREWALLD,
    bridge: 'virbr0',
    drops: { 'inet firewalld mangle_PREROUTING': [/drop/] },
  },
  {
    name: 'a drop for one address',
    rules: `nft 'table ip x { chain f { type filter hook forward priority 0; ip saddr 10.0.0.1 drop; }; }'`,
    bridge: 'br0',
    drops: { 'ip x f': [/drop in f/] },
  },
  {
    name: 'an accept for the bridge before a drop',
    rules: `nft 'table ip x { chain f { type filter hook forward priority 0; policy drop; iifname "br*" oifname { "a", "br0" } accept; }; }'`,
    bridge: 'br0',
    drops: {},
  },
  {
    name: 'a verdict map',
    rules: `nft 'table ip x { chain f { type filter hook forward priority 0; iifname vmap { "a": accept, "b": drop }; }; }'`,
    bridge: 'br0',
    drops: { 'ip x f': [/drop/] },
  },
];

for (const { name, rules, bridge, drops } of tables)
  test(`${name}: ${Object.keys(drops).length ? 'seen as an obstacle' : 'no obstacle'}`, () => {
    const found = listed(rules).flatMap((base) => {
      const why = couldDrop(base, bridge);
      return why.length ? [[`${base.family} ${base.table} ${base.chain}`, why] as const] : [];
    });
    assert.deepEqual(found.map(([key]) => key).sort(), Object.keys(drops).sort());
    for (const [key, why] of found)
      for (const pattern of drops[key] ?? []) assert.match(why.join('; '), pattern);
  });

test('iptables-legacy: a forward policy of drop, and an accept for the bridge', () => {
  const save = (rule: string) =>
    `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n-A FORWARD -i docker0 -m comment --comment "a -j b" -j ACCEPT\n${rule}\nCOMMIT\n`;
  const [closed] = readLegacySave(save('-A FORWARD -s 10.0.0.0/8 -i br0 -j ACCEPT'), 'ip');
  const [open] = readLegacySave(save('-A FORWARD -i br+ -o br0 -m comment --comment "x" -j ACCEPT'), 'ip');
  assert.ok(closed && open);
  assert.deepEqual(couldDrop(closed, 'br0'), ['policy of FORWARD is drop']);
  assert.deepEqual(couldDrop(open, 'br0'), []);
  assert.deepEqual(couldDrop(closed, 'docker0'), []);
});
