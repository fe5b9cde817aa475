// What a live table says and offers: whether new rows come, pausing them (space does it too), and those that wait.
import { Button, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import PauseIcon from '@patternfly/react-icons/dist/esm/icons/pause-icon';
import PlayIcon from '@patternfly/react-icons/dist/esm/icons/play-icon';
import { useCallback, useEffect } from 'react';
import { useWords } from '../i18n/language.ts';
import { useChange, useParam } from '../screen/address.ts';
import { useLiveStatus } from './live.ts';
import './live.css';

/** Whether the address says that new rows wait, and how to turn that. */
export function usePause(enabled: boolean): { paused: boolean; turn: () => void } {
  const change = useChange();
  const paused = useParam('paused') === '1';
  const turn = useCallback(
    () => change({ paused: paused ? null : '1' }, { replace: true }),
    [change, paused],
  );
  useSpaceKey(turn, enabled);
  return { paused, turn };
}

interface Props {
  /** Whether the time range ends now. */
  running: boolean;
  paused: boolean;
  onTurn: () => void;
}

export function LiveControls({ running, paused, onTurn }: Props) {
  const { t } = useWords();
  const { state } = useLiveStatus();
  const word = !running
    ? 'past'
    : paused
      ? 'pausedState'
      : state === 'open'
        ? 'live'
        : state === 'lost'
          ? 'offline'
          : 'connecting';
  return (
    <>
      <span className={`live-state live-${word}`} role="status" data-testid="live-state">
        {t(`live.${word}`)}
      </span>
      {running ? (
        <ToggleGroup aria-label={t('live.live')}>
          <ToggleGroupItem
            icon={paused ? <PlayIcon /> : <PauseIcon />}
            text={paused ? t('live.resume') : t('live.pause')}
            isSelected={paused}
            onChange={onTurn}
            buttonId="pause"
          />
        </ToggleGroup>
      ) : null}
    </>
  );
}

/** How many new rows wait; a click lets them in. */
export function NewRows({ waiting, onShow }: { waiting: number; onShow: () => void }) {
  const { t } = useWords();
  return (
    <div className="new-rows" aria-live="polite">
      {waiting > 0 ? (
        <Button variant="primary" size="sm" onClick={onShow} title={t('live.newShow')} data-testid="new">
          {t('live.new', { count: waiting })}
        </Button>
      ) : null}
    </div>
  );
}

/** Space pauses and resumes, unless something else has the use of it. */
function useSpaceKey(act: () => void, enabled: boolean): void {
  useEffect(() => {
    if (!enabled) return undefined;
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== ' ' || event.defaultPrevented) return;
      const target = event.composedPath()[0] as HTMLElement;
      if (target.closest('button, a, input, textarea, [contenteditable="true"], [aria-modal="true"]')) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [act, enabled]);
}
