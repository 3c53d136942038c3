import { InvalidArgumentError } from 'commander'

/** The name of a gateway, pool or route, as an argument. Nothing else may get into a path. */
export function nameArgument(text: string): string {
  if (/^[a-z0-9-]{1,32}$/.test(text)) return text
  throw new InvalidArgumentError('a name has 1 to 32 lower-case letters, digits and hyphens')
}
