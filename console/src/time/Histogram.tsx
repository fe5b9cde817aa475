// Flows over the time range as stacked bars, refused ones hatched; dragging over it chooses a range.
import type { HistogramBucket } from '@wocloud/protocol/views.ts';
import { useRef, useState, type PointerEvent } from 'react';
import { useWords } from '../i18n/language.ts';
import { count } from '../format/bytes.ts';
import { clock } from '../format/moment.ts';
import './time.css';

const PARTS = ['allowed', 'observed', 'rejected', 'dropped'] as const;
const HEIGHT = 56;

interface Props {
  buckets: readonly HistogramBucket[];
  from: number;
  to: number;
  onBrush: (from: number, to: number) => void;
}

export function Histogram({ buckets, from, to, onBrush }: Props) {
  const { t, language } = useWords();
  const area = useRef<SVGSVGElement>(null);
  const [brush, setBrush] = useState<readonly [number, number] | null>(null);
  const most = Math.max(1, ...buckets.map((b) => PARTS.reduce((sum, p) => sum + b[p], 0)));
  const width = buckets.length > 0 ? 1000 / buckets.length : 1000;
  const at = (event: PointerEvent) => {
    const box = area.current!.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const instant = (x: number) => from + x * (to - from);
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    area.current!.setPointerCapture(event.pointerId);
    setBrush([at(event), at(event)]);
  };
  const up = () => {
    if (brush && Math.abs(brush[1] - brush[0]) > 0.005)
      onBrush(instant(Math.min(...brush)), instant(Math.max(...brush)));
    setBrush(null);
  };
  const total = (part: (typeof PARTS)[number]) =>
    count(
      buckets.reduce((sum, b) => sum + b[part], 0),
      language,
    );
  const says = t('time.histogramSays', {
    total: count(
      buckets.reduce((sum, b) => sum + PARTS.reduce((s, p) => s + b[p], 0), 0),
      language,
    ),
    allowed: total('allowed'),
    observed: total('observed'),
    dropped: total('dropped'),
    rejected: total('rejected'),
  });
  return (
    <figure className="histogram" data-testid="histogram">
      <svg
        ref={area}
        role="img"
        aria-label={says}
        viewBox={`0 0 1000 ${HEIGHT}`}
        preserveAspectRatio="none"
        onPointerDown={down}
        onPointerMove={(e) => brush && setBrush([brush[0], at(e)])}
        onPointerUp={up}
        onPointerCancel={() => setBrush(null)}
      >
        <defs>
          <pattern
            id="hatch-dropped"
            width="6"
            height="6"
            patternUnits="userSpaceOnUse"
            patternTransform="rotate(45)"
          >
            <rect width="6" height="6" className="bar-dropped-back" />
            <rect width="3" height="6" className="bar-dropped" />
          </pattern>
        </defs>
        {buckets.map((b, i) => (
          <Bar key={b.time} bucket={b} x={i * width} width={Math.max(1, width - 2)} most={most} />
        ))}
        {brush ? (
          <rect
            className="brush"
            x={Math.min(...brush) * 1000}
            width={Math.abs(brush[1] - brush[0]) * 1000}
            y={0}
            height={HEIGHT}
          />
        ) : null}
      </svg>
      <figcaption className="histogram-ends">
        <span>{clock(from, to, language)}</span>
        <span aria-hidden="true">{says.split(/[.。]/)[0]}</span>
        <span>{clock(to, Date.now(), language)}</span>
      </figcaption>
    </figure>
  );
}

function Bar({
  bucket,
  x,
  width,
  most,
}: {
  bucket: HistogramBucket;
  x: number;
  width: number;
  most: number;
}) {
  const { language } = useWords();
  const title = `${clock(Date.parse(bucket.time), Date.now(), language)} · ${PARTS.map((p) => bucket[p]).join(' / ')}`;
  let top = HEIGHT;
  return (
    <g>
      <title>{title}</title>
      {PARTS.map((part) => {
        const height = (bucket[part] / most) * (HEIGHT - 2);
        top -= height;
        return bucket[part] > 0 ? (
          <rect
            key={part}
            x={x}
            y={top}
            width={width}
            height={Math.max(1, height)}
            className={`bar bar-${part}`}
          />
        ) : null;
      })}
    </g>
  );
}
