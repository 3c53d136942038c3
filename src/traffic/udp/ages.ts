/**
 * Sessions in the order in which they came. Linked, since in a flood the oldest goes with every datagram: a set would look past all that have
 * gone before, and be built anew time and again.
 */
export class Ages<T> {
  readonly #first: Age<T> = createAge<T>(null)
  #last: Age<T> = this.#first

  get oldest(): T | null {
    return this.#first.younger?.of ?? null
  }

  /** Behind all others. It stands in no list. */
  add(age: Age<T>): void {
    age.older = this.#last
    this.#last.younger = age
    this.#last = age
  }

  /** Nothing happens to one that stands nowhere. */
  remove(age: Age<T>): void {
    const { older, younger } = age
    if (older === null) return
    older.younger = younger
    if (younger === null) this.#last = older
    else younger.older = older
    age.older = age.younger = null
  }
}

/** The place of one in such a list. */
export interface Age<T> {
  readonly of: T | null
  older: Age<T> | null
  younger: Age<T> | null
}

export function createAge<T>(of: T | null): Age<T> {
  return { of, older: null, younger: null }
}
