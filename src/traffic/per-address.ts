import { networkOf } from './address.ts'

/** How many connections each client has; the addresses of one IPv6 network are one client. One that has none takes no room. */
export class PerAddress {
  readonly #counts = new Map<string, number>()

  of(address: string): number {
    return this.#counts.get(networkOf(address)) ?? 0
  }

  add(address: string): void {
    this.#counts.set(networkOf(address), this.of(address) + 1)
  }

  remove(address: string): void {
    const left = this.of(address) - 1
    if (left > 0) this.#counts.set(networkOf(address), left)
    else this.#counts.delete(networkOf(address))
  }
}
