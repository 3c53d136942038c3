/** The contract about definitions as a whole: settings, export and import, and what they were before. */
import { z } from 'zod'
import { definitions, settings } from '../../config/definitions.ts'
import { CHANGE, type Endpoint } from './endpoint.ts'
import { listOf, mergePatch, moment, page, saved } from './shapes.ts'

/** As much as the configuration file may have. */
const most_body = 8 * 2 ** 20

const changed = z
  .array(z.string())
  .meta({ description: '`gateway:NAME`, `pool:NAME`, `route:NAME` and `settings`', examples: [['pool:main']] })

export const settingsSaved = settings.extend({ revision: saved.revision })
export const definitionsSaved = z.object({ changed, ...saved })

export const revisionRow = z.object({
  revision: z.number(),
  at: moment,
  by: z.string().meta({ description: 'The name of a token, or `file` for the first content' }),
  changed,
})

/** Each of them means reading two documents. */
const historyPage = page.extend({
  limit: z
    .codec(z.string().regex(/^\d{1,3}$/, { error: 'expected a whole number' }), z.number().int().min(1).max(100), {
      decode: Number,
      encode: String,
    })
    .prefault('20')
    .meta({ description: 'At most so many items, 1 to 100' }),
})

const whole = [
  ...CHANGE,
  'unknown_reference',
  'duplicate_name',
  'duplicate_member',
  'equal_routes',
  'fallback_cycle',
] as const

export const definitionEndpoints = {
  get_settings: {
    method: 'GET',
    path: '/api/v1/settings',
    role: 'viewer',
    summary: 'The settings of all replicas',
    answer: settings,
  },
  patch_settings: {
    method: 'PATCH',
    path: '/api/v1/settings',
    role: 'admin',
    summary: 'Change a part of the settings',
    body: mergePatch,
    answer: settingsSaved,
    refuses: CHANGE,
    example: { gateway_down_threshold: '2m' },
  },
  get_definitions: {
    method: 'GET',
    path: '/api/v1/definitions',
    role: 'viewer',
    summary: 'Everything that is defined, in the form of the configuration file',
    answer: definitions,
  },
  replace_definitions: {
    method: 'PUT',
    path: '/api/v1/definitions',
    role: 'admin',
    summary: 'Replace everything that is defined, all or nothing; what stays the same is not touched',
    body: definitions,
    most_body,
    answer: definitionsSaved,
    refuses: whole,
    example: {
      gateways: [{ name: 'home', address: '127.0.0.1', http_port: 9101 }],
      pools: [{ name: 'main', members: ['home'] }],
      routes: [{ name: 'app', target: { pool: 'main' } }],
    },
  },
  list_history: {
    method: 'GET',
    path: '/api/v1/history',
    role: 'viewer',
    summary: 'Revisions of the definitions that are kept, newest first: who, when, and what changed',
    query: historyPage,
    answer: listOf(revisionRow),
    refuses: ['store_unavailable'],
  },
  get_revision: {
    method: 'GET',
    path: '/api/v1/history/:revision',
    role: 'viewer',
    summary: 'The definitions as they were',
    answer: revisionRow.extend({ definitions }),
    refuses: ['not_found', 'config_rejected', 'store_unavailable'],
  },
  restore_revision: {
    method: 'POST',
    path: '/api/v1/history/:revision/restore',
    role: 'admin',
    summary: 'Make the definitions what they were, as a new revision',
    answer: definitionsSaved,
    refuses: [...whole, 'not_found', 'config_rejected'],
  },
} as const satisfies Record<string, Endpoint>
