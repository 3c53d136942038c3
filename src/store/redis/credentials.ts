/** What TLS needs beside the address: files, read once. */
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { StoreError } from '../store-error.ts'

/** PEM. */
export interface Credentials {
  /** Absent: the authorities of the system. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** The paths of the same. */
export type CredentialFiles = { readonly [Key in keyof Credentials]?: Credentials[Key] | undefined }

/** Throws a StoreError when a file is not there, or is no certificate or key. */
export function readCredentials(files: CredentialFiles): Credentials {
  const named = Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== undefined)
  try {
    const texts = Object.fromEntries(named.map(([key, path]) => [key, readFileSync(path, 'utf8')]))
    createSecureContext(texts)
    return texts
  } catch (error) {
    throw new StoreError('store_unavailable', `store.tls: ${error instanceof Error ? error.message : error}`)
  }
}
