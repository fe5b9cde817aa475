// All rooms' phrases.
import { words as screen } from '../screen/words.ts';
import { words as shell } from '../shell/words.ts';
import { words as state } from '../state/words.ts';
import { words as table } from '../table/words.ts';
import { words as time } from '../time/words.ts';
import { words as filter } from '../filter/words.ts';
import { words as panel } from '../panel/words.ts';
import { words as session } from '../session/words.ts';
import { words as overview } from '../overview/words.ts';
import { words as vms } from '../vms/words.ts';
import { words as flows } from '../flows/words.ts';
import { words as enforcement } from '../enforcement/words.ts';

export const ROOMS = {
  screen,
  shell,
  state,
  table,
  time,
  filter,
  panel,
  session,
  overview,
  vms,
  flows,
  enforcement,
};
