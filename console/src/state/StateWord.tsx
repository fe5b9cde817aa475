// A state as a shape and a word: never colour alone, and what is unknown is never green.
import ArrowsAltHIcon from '@patternfly/react-icons/dist/esm/icons/arrows-alt-h-icon';
import BanIcon from '@patternfly/react-icons/dist/esm/icons/ban-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import CopyIcon from '@patternfly/react-icons/dist/esm/icons/copy-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import EyeIcon from '@patternfly/react-icons/dist/esm/icons/eye-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import InfoCircleIcon from '@patternfly/react-icons/dist/esm/icons/info-circle-icon';
import InProgressIcon from '@patternfly/react-icons/dist/esm/icons/in-progress-icon';
import LockIcon from '@patternfly/react-icons/dist/esm/icons/lock-icon';
import LockOpenIcon from '@patternfly/react-icons/dist/esm/icons/lock-open-icon';
import OffIcon from '@patternfly/react-icons/dist/esm/icons/off-icon';
import OutlinedClockIcon from '@patternfly/react-icons/dist/esm/icons/outlined-clock-icon';
import PauseCircleIcon from '@patternfly/react-icons/dist/esm/icons/pause-circle-icon';
import PencilAltIcon from '@patternfly/react-icons/dist/esm/icons/pencil-alt-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import SearchIcon from '@patternfly/react-icons/dist/esm/icons/search-icon';
import TimesCircleIcon from '@patternfly/react-icons/dist/esm/icons/times-circle-icon';
import UndoIcon from '@patternfly/react-icons/dist/esm/icons/undo-icon';
import type { ComponentType } from 'react';
import { useWords } from '../i18n/language.ts';
import type { words } from './words.ts';
import './state.css';

export type State = keyof typeof words;
type Tone = 'good' | 'bad' | 'warn' | 'info' | 'quiet';
type Look = readonly [ComponentType, Tone];

const LOOKS: Partial<Record<State, Look>> = {
  allowed: [CheckCircleIcon, 'good'],
  allow: [CheckCircleIcon, 'good'],
  dropped: [BanIcon, 'bad'],
  drop: [BanIcon, 'bad'],
  rejected: [UndoIcon, 'bad'],
  reject: [UndoIcon, 'bad'],
  inspect: [SearchIcon, 'info'],
  observed: [EyeIcon, 'info'],
  observe: [EyeIcon, 'info'],
  unprotected: [ExclamationTriangleIcon, 'warn'],
  staged: [PencilAltIcon, 'info'],
  enforced: [CheckCircleIcon, 'good'],
  enforce: [CheckCircleIcon, 'good'],
  inactive: [OffIcon, 'quiet'],
  running: [CheckCircleIcon, 'good'],
  blocked: [PauseCircleIcon, 'warn'],
  paused: [PauseCircleIcon, 'quiet'],
  suspended: [PauseCircleIcon, 'quiet'],
  shutdown: [InProgressIcon, 'quiet'],
  shutoff: [OffIcon, 'quiet'],
  crashed: [TimesCircleIcon, 'bad'],
  gone: [OffIcon, 'quiet'],
  connected: [CheckCircleIcon, 'good'],
  stale: [OutlinedClockIcon, 'bad'],
  never: [QuestionCircleIcon, 'quiet'],
  behind: [OutlinedClockIcon, 'warn'],
  open: [ExclamationCircleIcon, 'bad'],
  acknowledged: [EyeIcon, 'info'],
  resolved: [CheckCircleIcon, 'good'],
  info: [InfoCircleIcon, 'quiet'],
  low: [InfoCircleIcon, 'info'],
  medium: [ExclamationTriangleIcon, 'warn'],
  high: [ExclamationTriangleIcon, 'bad'],
  critical: [ExclamationCircleIcon, 'bad'],
  pending: [OutlinedClockIcon, 'info'],
  applied: [CheckCircleIcon, 'good'],
  failed: [TimesCircleIcon, 'bad'],
  offline: [OffIcon, 'warn'],
  publishing: [InProgressIcon, 'info'],
  published: [CheckCircleIcon, 'good'],
  partial: [ExclamationTriangleIcon, 'warn'],
  draft: [PencilAltIcon, 'info'],
  changedDraft: [PencilAltIcon, 'warn'],
  done: [CheckCircleIcon, 'good'],
  denied: [BanIcon, 'bad'],
  active: [CheckCircleIcon, 'good'],
  disabled: [OffIcon, 'quiet'],
  intact: [CheckCircleIcon, 'good'],
  broken: [TimesCircleIcon, 'bad'],
  starting: [InProgressIcon, 'info'],
  working: [CheckCircleIcon, 'good'],
  degraded: [ExclamationTriangleIcon, 'warn'],
  'gateway-failed': [TimesCircleIcon, 'bad'],
  draining: [HourglassHalfIcon, 'quiet'],
  'event-blocked': [BanIcon, 'bad'],
  inline: [ArrowsAltHIcon, 'info'],
  mirror: [CopyIcon, 'info'],
  'fails-open': [LockOpenIcon, 'quiet'],
  'fails-closed': [LockIcon, 'quiet'],
  'would-allowed': [PencilAltIcon, 'info'],
  'would-dropped': [PencilAltIcon, 'bad'],
  'would-rejected': [PencilAltIcon, 'bad'],
  created: [CheckCircleIcon, 'good'],
  changed: [PencilAltIcon, 'info'],
  deleted: [TimesCircleIcon, 'bad'],
};
const UNKNOWN: Look = [QuestionCircleIcon, 'quiet'];

/** The shape and the word of a state; `title` explains more on hover. */
export function StateWord({ state, title }: { state: State; title?: string | undefined }) {
  const { t } = useWords();
  const [Shape, tone] = LOOKS[state] ?? UNKNOWN;
  return (
    <span className={`state state-${tone}`} title={title}>
      <Shape />
      <span>{t(`state.${state}`)}</span>
    </span>
  );
}
