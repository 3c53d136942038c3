const EXPLAINED: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'this host does not have that address',
  EACCES: 'this user may not listen on that port',
}

/** Why a socket cannot listen, in words where there are better ones than the system's code. */
export function whyNotListening(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
  return EXPLAINED[code] ?? code
}
