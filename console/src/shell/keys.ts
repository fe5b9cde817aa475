// Keys that work everywhere: / searches, g and a letter goes, ? helps. Typing in a field is left alone.
import { useEffect, useRef } from 'react';
import { useNavigate } from 'react-router';
import { useAddress } from '../screen/address.ts';
import type { Place } from './places.ts';

const SEQUENCE_MS = 1500;

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

interface Actions {
  search: () => void;
  help: () => void;
  places: readonly Place[];
}

export function useKeys({ search, help, places }: Actions): void {
  const navigate = useNavigate();
  const address = useAddress();
  const pressedG = useRef(0);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (
        event.defaultPrevented ||
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        isTyping(event.composedPath()[0] ?? null)
      )
        return;
      // A dialog has its own keys.
      if (document.querySelector('[aria-modal="true"]')) return;
      const afterG = event.timeStamp - pressedG.current < SEQUENCE_MS && pressedG.current > 0;
      pressedG.current = 0;
      const place = afterG ? places.find((p) => p.key === event.key) : undefined;
      if (place) void navigate(address(place.path));
      else if (event.key === 'g') pressedG.current = event.timeStamp;
      else if (event.key === '/') search();
      else if (event.key === '?') help();
      else return;
      event.preventDefault();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [navigate, address, search, help, places]);
}
