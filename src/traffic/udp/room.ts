/** How many UDP sessions all listeners may have together: each holds a descriptor, and a process has only so many. */
export interface Room {
  taken: number
  readonly most: number
}

/** Descriptors for everything else: files, the store, the admin API. */
const OTHERS = 512
/** Share of the rest that sessions may take; connections want the other part. */
const SHARE = 0.85

/** The room that the limit of open files leaves. */
export function roomOfProcess(): Room {
  const { userLimits } = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft: number | string } }
  }
  const limit = Number(userLimits?.open_files?.soft)
  // Where there is no limit, or none that is known, the routes' own limits are what holds.
  return { taken: 0, most: Number.isFinite(limit) ? Math.max(64, Math.floor((limit - OTHERS) * SHARE)) : 1_000_000 }
}
