// A unified diff as text, lines that came and went marked by sign and colour.
import './editor.css';

const CLASS: Record<string, string> = { '+': 'diff-plus', '-': 'diff-minus', '@': 'diff-at' };

export function UnifiedDiff({ text, label }: { text: string; label: string }) {
  return (
    <pre className="diff" aria-label={label} tabIndex={0}>
      {text.split('\n').map((line, i) => (
        <span key={i} className={CLASS[line[0] ?? ''] ?? ''}>
          {line}
          {'\n'}
        </span>
      ))}
    </pre>
  );
}
