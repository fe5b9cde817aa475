// The last answer for an object, kept as long as the object lives and what else was looked at is the same.

/** `remember<Key, Value>()(key, others, make)`: `make()` again only when one of `others` is another object or value. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- says which objects one memory is for
export function remember<K extends object, V>(): (key: K, others: readonly unknown[], make: () => V) => V {
  const known = new WeakMap<K, { others: readonly unknown[]; value: V }>();
  return (key, others, make) => {
    const found = known.get(key);
    if (found && found.others.length === others.length && found.others.every((o, i) => o === others[i]))
      return found.value;
    const value = make();
    known.set(key, { others, value });
    return value;
  };
}
