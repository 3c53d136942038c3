/** What OpenSSL, by way of Node's TLS server, finds in the first bytes of a client. */
import { duplexPair } from 'node:stream'
import { createSecureContext, TLSSocket } from 'node:tls'
import { certificate } from '../support/certificate.ts'

export interface OpensslReading {
  /**
   * It has all it needs, and answers: whatever it says, it is no longer waiting. A server that waits where we relay, or acts where we wait,
   * reads other bytes than we do.
   */
  readonly isAnswered: boolean
  /** Undefined: it did not come to ask for it. */
  readonly sni: string | undefined
  readonly alpn: readonly string[] | undefined
}

const { cert, key } = certificate('fuzz.example')
const secureContext = createSecureContext({ cert, key, minVersion: 'TLSv1.2' })

/** Turns of the loop in which it has said what it has to say. */
const TURNS = 6

export async function readByOpenssl(bytes: Buffer): Promise<OpensslReading> {
  const [client, server] = duplexPair()
  let isAnswered = false
  let sni: string | undefined
  let alpn: readonly string[] | undefined
  client.on('data', () => {
    isAnswered = true
  })
  const tls = new TLSSocket(server, {
    isServer: true,
    secureContext,
    SNICallback(name, done) {
      sni = name
      done(null)
    },
    ALPNCallback({ protocols }) {
      alpn = protocols
      return protocols[0]
    },
  })
  tls.on('error', () => {
    isAnswered = true
  })
  client.write(bytes)
  for (let turn = 0; turn < TURNS; turn++) await new Promise(resolve => setImmediate(resolve))
  tls.destroy()
  client.destroy()
  return { isAnswered, sni, alpn }
}
