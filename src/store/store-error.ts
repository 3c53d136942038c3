const CODES = ['store_unavailable', 'store_newer', 'store_foreign', 'store_refilling'] as const

/**
 * Why a store cannot be opened, or asked. Thrown: a process does not start without the store that it was told to use, and whoever reads
 * has nothing to go on with. The admin API answers with its code.
 */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: (typeof CODES)[number]

  constructor(code: StoreError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export function isStoreCode(code: string): code is StoreError['code'] {
  return CODES.some(one => one === code)
}
