// The screens: address, name, the key after `g`, and the permission that shows them.
import type { Key } from '../i18n/language.ts';

export interface Place {
  path: string;
  name: Key;
  /** Pressed after g. */
  key: string;
  permission: string;
  section: Key | null;
  /** Other addresses that belong to it. */
  covers?: readonly string[];
  /** Only for those who lack this permission: they have another way to it. */
  lacking?: string;
}

export const PLACES: readonly Place[] = [
  { path: '/', name: 'shell.overview', key: 'o', permission: 'status.read', section: null },
  { path: '/topology', name: 'shell.topology', key: 't', permission: 'flow.read', section: 'shell.watch' },
  { path: '/flows', name: 'shell.flows', key: 'f', permission: 'flow.read', section: 'shell.watch' },
  {
    path: '/inspection',
    name: 'shell.inspection',
    key: 'i',
    permission: 'inspection.read',
    section: 'shell.watch',
  },
  { path: '/alerts', name: 'shell.alerts', key: 'a', permission: 'alert.read', section: 'shell.watch' },
  { path: '/trace', name: 'shell.trace', key: 'r', permission: 'flow.trace', section: 'shell.watch' },
  {
    path: '/policies',
    name: 'shell.policies',
    key: 'p',
    permission: 'policy.read',
    section: 'shell.control',
  },
  { path: '/groups', name: 'shell.groups', key: 'g', permission: 'group.read', section: 'shell.control' },
  {
    path: '/services',
    name: 'shell.services',
    key: 's',
    permission: 'service.read',
    section: 'shell.control',
  },
  {
    path: '/gateways',
    name: 'shell.gateways',
    key: 'w',
    permission: 'gateway.read',
    section: 'shell.control',
    covers: ['/insertions', '/rule-sets'],
  },
  {
    path: '/insertions',
    name: 'shell.insertions',
    key: 'w',
    permission: 'insertion.read',
    section: 'shell.control',
    covers: ['/rule-sets'],
    lacking: 'gateway.read',
  },
  { path: '/limits', name: 'shell.limits', key: 'm', permission: 'limit.read', section: 'shell.control' },
  {
    path: '/publications',
    name: 'shell.publications',
    key: 'c',
    permission: 'publication.read',
    section: 'shell.control',
  },
  { path: '/vms', name: 'shell.vms', key: 'v', permission: 'vm.read', section: 'shell.inventory' },
  { path: '/hosts', name: 'shell.hosts', key: 'h', permission: 'host.read', section: 'shell.inventory' },
  {
    path: '/networks',
    name: 'shell.networks',
    key: 'n',
    permission: 'network.read',
    section: 'shell.inventory',
  },
  {
    path: '/tenants',
    name: 'shell.tenants',
    key: 'e',
    permission: 'tenant.read',
    section: 'shell.administration',
  },
  { path: '/users', name: 'shell.users', key: 'u', permission: 'user.read', section: 'shell.administration' },
  {
    path: '/audit',
    name: 'shell.audit',
    key: 'l',
    permission: 'audit.read',
    section: 'shell.administration',
  },
  {
    path: '/tokens',
    name: 'shell.tokens',
    key: 'k',
    permission: 'self.read',
    section: 'shell.administration',
  },
];
