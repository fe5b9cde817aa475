// All rooms' phrases.
import { words as screen } from '../screen/words.ts';
import { words as shell } from '../shell/words.ts';
import { words as state } from '../state/words.ts';
import { words as table } from '../table/words.ts';
import { words as live } from '../live/words.ts';
import { words as time } from '../time/words.ts';
import { words as filter } from '../filter/words.ts';
import { words as panel } from '../panel/words.ts';
import { words as session } from '../session/words.ts';
import { words as overview } from '../overview/words.ts';
import { words as vms } from '../vms/words.ts';
import { words as flows } from '../flows/words.ts';
import { words as enforcement } from '../enforcement/words.ts';
import { words as editor } from '../editor/words.ts';
import { words as documents } from '../documents/words.ts';
import { words as policies } from '../policies/words.ts';
import { words as groups } from '../groups/words.ts';
import { words as services } from '../services/words.ts';
import { words as tenants } from '../tenants/words.ts';
import { words as networks } from '../networks/words.ts';
import { words as publications } from '../publications/words.ts';
import { words as hosts } from '../hosts/words.ts';
import { words as alerts } from '../alerts/words.ts';
import { words as trace } from '../trace/words.ts';
import { words as users } from '../users/words.ts';
import { words as tokens } from '../tokens/words.ts';
import { words as audit } from '../audit/words.ts';
import { words as gateways } from '../gateways/words.ts';
import { words as insertions } from '../insertions/words.ts';
import { words as ruleSets } from '../rule-sets/words.ts';
import { words as inspection } from '../inspection/words.ts';
import { words as limits } from '../limits/words.ts';
import { words as topology } from '../topology/words.ts';

export const ROOMS = {
  screen,
  shell,
  state,
  table,
  live,
  time,
  filter,
  panel,
  session,
  overview,
  vms,
  flows,
  enforcement,
  editor,
  documents,
  policies,
  groups,
  services,
  tenants,
  networks,
  publications,
  hosts,
  alerts,
  trace,
  users,
  tokens,
  audit,
  topology,
  gateways,
  insertions,
  ruleSets,
  limits,
  inspection,
};
