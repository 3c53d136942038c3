/**
 * A loopback address that only this process uses. A port of 127.0.0.1 may be anybody's as soon as who had it is dead, also that of a client for
 * the time of one connection; here it is still free when its owner comes back.
 */
export const OWN_HOST = `127.${64 + ((process.pid >> 16) & 63)}.${(process.pid >> 8) & 255}.${process.pid & 255}`
