/**
 * The entry that `record` itself has under `key`. Names are chosen by people, and `constructor` is a fine name for a pool: a plain lookup
 * would find what every object inherits.
 */
export function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
